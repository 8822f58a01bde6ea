# Completion of imectl in bash: the candidates come from imectl itself; where it has none, file names.
_imectl() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    mapfile -t COMPREPLY < <(imectl --complete "${words[@]}" 2>/dev/null)
}
complete -o default -F _imectl imectl
