# Sections of running text -> {"prompt", "completion", "choices", "answer"}: how does the next sentence read? The right one
# begins the next paragraph; the other three are the same sentence with two neighbouring words exchanged, so that nothing
# but a sense of the language tells them apart. Reads the JSON lines of html.awk. LC_ALL=C.
# Variables: most (items kept, spread over the text; 300).

BEGIN { if (!most) most = 300 }

{
  text = $0
  sub(/^\{"text": "/, "", text)
  sub(/", "source": "[^"]*"\}$/, "", text)
  paragraphs = split(text, line, /\\n/)
  for (k = 2; k < paragraphs; k++) {
    if (!prose(line[k]) || !prose(line[k + 1])) continue
    sentence = first_sentence(line[k + 1])
    if (split(sentence, word, " ") < 10 || length(sentence) > 250) continue
    n++
    prompts[n] = length(line[k]) > 300 ? last_words(line[k]) : line[k]
    sentences[n] = sentence
  }
}

END {
  share = n > most ? most / n : 1
  for (i = 1; i <= n; i++) {
    if (int(i * share) == int((i - 1) * share)) continue
    kept++
    right = kept % 4
    choices = ""
    from = 2
    for (place = 0; place < 4 && from; place++) {
      if (place == right) choice = sentences[i]
      else choice = exchanged(sentences[i])
      choices = choices (place ? ", " : "") "\"" choice "\""
    }
    if (from) print "{\"prompt\": \"" prompts[i] "\", \"completion\": \"" sentences[i] "\", \"choices\": [" choices \
      "], \"answer\": " right "}"
    else kept--
  }
}

# The words at `from` and after it change places; the next call begins further on. from = 0: the sentence has no more.
# The first and the last word stay, because their capital and full stop would give the answer away.
function exchanged(s,  word, words, i, out, other) {
  words = split(s, word, " ")
  while (from < words - 1 && (word[from] == word[from + 1] || word[from] word[from + 1] !~ /^[A-Za-z]+$/)) from++
  if (from >= words - 1) { from = 0; return "" }
  other = word[from]
  word[from] = word[from + 1]
  word[from + 1] = other
  from += 2
  out = word[1]
  for (i = 2; i <= words; i++) out = out " " word[i]
  return out
}

function prose(s) { return length(s) >= 120 && s ~ /^[A-Z]/ && s ~ /[.!?)]$/ && s !~ /^(Figure|Example|Table|TIP|NOTE|CAUTION)/ }

function first_sentence(s,  at) {
  at = match(s, /[.!?] [A-Z]/)
  return at ? substr(s, 1, at) : s
}

# The end of a long paragraph, from a word's beginning; an escape of JSON must not be cut in two.
function last_words(s,  at) {
  s = substr(s, length(s) - 300)
  at = index(s, " ")
  return substr(s, at + 1)
}
