package syntax

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// reader reads the nodes of one text and collects what is wrong with them.
type reader struct {
	source      source
	problems    []Problem
	comparisons int // made for suggestions
}

// problemf reports one problem. It keeps at most [MaxProblems].
func (r *reader) problemf(at Pos, format string, args ...any) {
	switch {
	case len(r.problems) < MaxProblems-1:
		r.problems = append(r.problems, Problem{r.source.clamp(at), fmt.Sprintf(format, args...)})
	case len(r.problems) == MaxProblems-1:
		r.problems = append(r.problems, Problem{r.source.clamp(at), "there are more problems: correct those above first"})
	}
}

// shown cuts a part of the bundle's text for a message.
func shown(text string) string {
	cut, count := len(text), 0
	for i := range text {
		if count == maxWordShown {
			cut = i
			break
		}
		count++
	}
	quoted := strconv.QuoteToGraphic(text[:cut])
	quoted = quoted[1 : len(quoted)-1]
	if cut < len(text) {
		quoted += "…"
	}
	return quoted
}

// reads is a function that reads one node into the place that it was made for.
type reads func(n *yaml.Node)

// member is a key that a mapping may have.
type member struct {
	key   string
	hint  string // what the value is, for a required key that is missing; "" if it is optional
	reads reads
}

// object reads a mapping with fixed keys. what names it in messages, such as "a rule".
func (r *reader) object(n *yaml.Node, what string, members ...member) {
	if k := kindOf(n); k != kindObject {
		r.problemf(positionOf(n), "%s must be a mapping, not %s", what, kindNames[k])
		return
	}
	present := make([]*yaml.Node, len(members))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(members, func(m member) bool { return m.key == key.Value })
		switch {
		case at < 0:
			r.unknownKey(key, what, members)
		case present[at] != nil:
			r.duplicateKey(key, present[at])
		default:
			present[at] = key
			r.value(key, value, members[at].reads)
		}
	}
	for i, m := range members {
		if m.hint != "" && present[i] == nil {
			r.problemf(positionOf(n), "%s needs the key %q: %s", what, m.key, m.hint)
		}
	}
}

// value reads the value of a key, unless it is empty.
func (r *reader) value(key, value *yaml.Node, reads reads) {
	if kindOf(value) == kindNull {
		r.problemf(positionOf(key), "the key %q has no value: write one, or remove the key", shown(key.Value))
		return
	}
	reads(value)
}

func (r *reader) unknownKey(key *yaml.Node, what string, members []member) {
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i] = m.key
	}
	if meant := r.closest(key.Value, slices.Values(keys)); meant != "" {
		r.problemf(positionOf(key), "%s has no key %q: did you mean %q?", what, shown(key.Value), meant)
		return
	}
	r.problemf(positionOf(key), "%s has no key %q: it may have %s", what, shown(key.Value), enumerate(keys, "and"))
}

func (r *reader) duplicateKey(key, first *yaml.Node) {
	r.problemf(positionOf(key), "the key %q occurs twice: it stands in line %d already", shown(key.Value), first.Line)
}

// entries reads a mapping whose keys are names. It calls read for each entry that is not
// a duplicate.
func (r *reader) entries(n *yaml.Node, what string, limit int, read func(name Text, value *yaml.Node)) {
	if k := kindOf(n); k != kindObject {
		r.problemf(positionOf(n), "%s must be a mapping of names, not %s", what, kindNames[k])
		return
	}
	if count := len(n.Content) / 2; count > limit {
		r.problemf(positionOf(n), "%s may have at most %d entries, not %d", what, limit, count)
		return
	}
	present := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first := present[key.Value]; first != nil {
			r.duplicateKey(key, first)
			continue
		}
		present[key.Value] = key
		r.value(key, value, func(value *yaml.Node) { read(Text{positionOf(key), key.Value}, value) })
	}
}

// list reads each item of a list.
func (r *reader) list(what string, limit int, read reads) reads {
	return func(n *yaml.Node) {
		if k := kindOf(n); k != kindList {
			r.problemf(positionOf(n), "%s must be a list, not %s", what, kindNames[k])
			return
		}
		if len(n.Content) > limit {
			r.problemf(positionOf(n), "%s may have at most %d items, not %d", what, limit, len(n.Content))
			return
		}
		for _, item := range n.Content {
			if kindOf(item) == kindNull {
				r.problemf(positionOf(item), "%s has an empty item: write a value, or remove it", what)
				continue
			}
			read(item)
		}
	}
}

// texts reads a list of different texts. item names one of them, and check returns what
// is wrong with one, or "".
func (r *reader) texts(to *[]Text, what, item string, limit int, check func(string) string) reads {
	return func(n *yaml.Node) {
		seen := map[string]bool{}
		r.list(what, limit, func(n *yaml.Node) {
			var text Text
			r.text(&text, item, check)(n)
			switch {
			case !text.Set():
			case seen[text.Value]:
				r.problemf(text.Pos, "%s must not have %q twice: remove one", what, shown(text.Value))
			default:
				seen[text.Value] = true
				*to = append(*to, text)
			}
		})(n)
	}
}

// someTexts is texts for a list that must not be empty.
func (r *reader) someTexts(to *[]Text, what, item string, limit int, check func(string) string) reads {
	read := r.texts(to, what, item, limit, check)
	return func(n *yaml.Node) {
		if kindOf(n) == kindList && len(n.Content) == 0 {
			r.problemf(positionOf(n), "%s must not be empty: it would never apply", what)
			return
		}
		read(n)
	}
}

// text reads a text. check returns what is wrong with it, or "". A text with a problem is
// left out.
func (r *reader) text(to *Text, what string, check func(string) string) reads {
	return func(n *yaml.Node) {
		if k := kindOf(n); k != kindText {
			r.problemf(positionOf(n), "%s must be text, not %s%s", what, kindNames[k], advice(k))
			return
		}
		if problem := check(n.Value); problem != "" {
			r.problemf(positionOf(n), "%s %s", what, problem)
			return
		}
		*to = Text{positionOf(n), n.Value}
	}
}

// word reads one of a few words.
func (r *reader) word(to *Text, what string, words ...string) reads {
	return r.text(to, what, r.oneOf(words...))
}

// boolean reads true or false.
func (r *reader) boolean(to *bool, what string) reads {
	return func(n *yaml.Node) {
		if kindOf(n) != kindBool {
			r.problemf(positionOf(n), "%s must be true or false, without quotes", what)
			return
		}
		*to = n.Value == "true"
	}
}

// integer reads a whole number from low to high.
func (r *reader) integer(to *Integer, what string, low, high int64) reads {
	return func(n *yaml.Node) {
		value, err := strconv.ParseInt(n.Value, 10, 64)
		if kindOf(n) != kindNumber || err != nil || value < low || value > high {
			r.problemf(positionOf(n), "%s must be a whole number from %d to %d, written in digits", what, low, high)
			return
		}
		*to = Integer{positionOf(n), value}
	}
}

// enumerate joins words with commas, and the last one with the conjunction.
func enumerate(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}

// anyText accepts every text that a person can read in one line.
func anyText(limit int) func(string) string {
	return func(text string) string {
		switch {
		case strings.TrimSpace(text) == "":
			return "must not be empty"
		case utf8.RuneCountInString(text) > limit:
			return fmt.Sprintf("must have at most %d characters", limit)
		}
		return ""
	}
}

// oneOf accepts a few words.
func (r *reader) oneOf(words ...string) func(string) string {
	return func(text string) string {
		if slices.Contains(words, text) {
			return ""
		}
		if meant := r.closest(text, slices.Values(words)); meant != "" {
			return fmt.Sprintf("must be %s, not %q: did you mean %q?", enumerate(words, "or"), shown(text), meant)
		}
		return fmt.Sprintf("must be %s, not %q", enumerate(words, "or"), shown(text))
	}
}
