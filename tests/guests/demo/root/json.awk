# Print JSON flat: one line "path<TAB>value" for each value, the parts of a path joined by dots.

function token(    word) {
    if (!match(text, /^[ \t\r\n,:]*("([^"\\]|\\.)*"|[][{}]|[^][{} \t\r\n,:]+)/)) return ""
    word = substr(text, 1, RLENGTH)
    text = substr(text, RLENGTH + 1)
    sub(/^[ \t\r\n,:]+/, "", word)
    return word
}

function plain(word) {
    if (word !~ /^"/) return word
    word = substr(word, 2, length(word) - 2)
    gsub(/\\"/, "\"", word)
    gsub(/\\\\/, "\\", word)
    return word
}

function walk(path,    word, item) {
    word = token()
    if (word == "{") {
        while ((word = token()) != "}" && word != "") walk(path (path == "" ? "" : ".") plain(word))
    } else if (word == "[") {
        for (item = 0; text !~ /^[ \t\r\n,]*(]|$)/; item++) walk(path "." item)
        token()
    } else {
        print path "\t" plain(word)
    }
}

{ text = text $0 "\n" }
END { walk("") }
