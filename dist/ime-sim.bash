# Completion of ime-sim in bash: options and scenarios come from its help.
_ime_sim() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
    case $before in
    --scenario) words=$(ime-sim --help 2>/dev/null | awk '/^Scenarios:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }') ;;
    --signatures) words='real stand-in' ;;
    --pcap | --plot)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    *) words=$(ime-sim --help 2>/dev/null | awk '/^  --/ { print $1 }') ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _ime_sim ime-sim
