# Completion of imectl in bash: the candidates come from imectl itself.
_imectl() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    mapfile -t COMPREPLY < <(imectl --complete "${words[@]}" 2>/dev/null)
}
complete -F _imectl imectl
