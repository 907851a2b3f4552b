
# Names of images have colons, at which bash parts words: put together again, and what bash has already taken off what is offered.
_dish_whole_words() {
    local -a words=()
    local -i index
    for ((index = 0; index <= COMP_CWORD; index++)); do
        if ((index > 1)) && [[ ${COMP_WORDS[index]} == : || ${COMP_WORDS[index - 1]} == : ]]; then
            words[-1]+=${COMP_WORDS[index]}
        else
            words+=("${COMP_WORDS[index]}")
        fi
    done
    local -a COMP_WORDS=("${words[@]}")
    local -i COMP_CWORD=$((${#words[@]} - 1))
    local word=${words[-1]}
    _dish "$1" "$word" "${words[-2]}"
    [[ $word != *:* ]] || COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
}
complete -o filenames -F _dish_whole_words dish
