package redact

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// maxLevels bounds texts inside texts: a JSON text in a form in a string.
const maxLevels = 8

// Approval hides the secrets of an approval and writes out what is not seen in
// it. Redacted and Escaped name the places, sorted. What the approval pointed to
// before stays unchanged. Ids, which are compared, stay as they are.
func Approval(a *aureus.Approval) {
	r := newRedactor()
	root := (*place)(nil)
	action, principal := root.in("action"), root.in("principal")
	a.Action.Name = r.prose(action.in("name"), a.Action.Name)
	a.Action.Metadata = r.free(action.in("metadata"), a.Action.Metadata)
	a.Action.RequiredPermissions = r.permissions(action.in("required_permissions"), a.Action.RequiredPermissions)
	a.Principal.Type = r.prose(principal.in("type"), a.Principal.Type)
	a.Principal.Permissions = r.permissions(principal.in("permissions"), a.Principal.Permissions)
	a.Arguments = r.value(root.in("arguments"), a.Arguments, plain, 0)
	a.Reason = r.prose(root.in("reason"), a.Reason)
	if a.HTTP != nil {
		a.HTTP = r.call(root.in("http"), *a.HTTP)
	}
	a.Volatile = slices.Clone(a.Volatile)
	for i, pointer := range a.Volatile {
		a.Volatile[i] = r.show(root.in("volatile").at(i), pointer, 0)
	}
	a.MayChange = approval.MayChange(a.Volatile, a.Arguments, a.Action.Metadata)
	a.Redacted, a.Escaped = r.hidden.sorted(), r.escaped.sorted()
}

// redactor works on one approval.
type redactor struct {
	salt            [16]byte
	hidden, escaped places
	secrets         int // found so far
}

func newRedactor() *redactor {
	r := &redactor{}
	_, _ = rand.Read(r.salt[:]) // crypto/rand never fails
	return r
}

func (l *places) sorted() []string {
	if len(l.pointers) == 0 {
		return nil
	}
	rest := l.pointers
	if l.full { // the mark stays last
		rest = rest[:len(rest)-1]
	}
	slices.Sort(rest)
	if l.full {
		return append(slices.Compact(rest), "")
	}
	return slices.Compact(rest)
}

// hide notes a secret and is what is shown in its place.
func (r *redactor) hide(p *place, secret string) string { return r.mark(p, "REDACTED", secret) }

// unreadable is what is shown in the place of what no person can read.
func (r *redactor) unreadable(p *place, content string) string {
	return r.mark(p, "UNREADABLE", content)
}

func (r *redactor) mark(p *place, word, content string) string {
	r.secrets++
	r.hidden.add(p)
	return "[" + word + " length:" + strconv.Itoa(len(content)) + " " + r.digest(content) + "]"
}

// digest is a short hash of the content that means something within this
// approval only.
func (r *redactor) digest(content string) string {
	hash := sha256.New()
	_, _ = hash.Write(r.salt[:])
	_, _ = hash.Write([]byte(content))
	return "digest:" + hex.EncodeToString(hash.Sum(nil)[:4])
}

// show writes out what is not seen. Texts inside texts are written out with the
// outermost one.
func (r *redactor) show(p *place, text string, level int) string {
	if level > 0 {
		return text
	}
	shown := Visible(text)
	if shown != text {
		r.escaped.add(p)
	}
	return shown
}

// prose is a text that a person wrote or reads, and that has no name.
func (r *redactor) prose(p *place, text string) string { return r.show(p, r.search(p, text), 0) }

func (r *redactor) permissions(p *place, permissions []aureus.Permission) []aureus.Permission {
	permissions = slices.Clone(permissions)
	for i := range permissions {
		permissions[i].Conditions = r.free(p.at(i).in("conditions"), permissions[i].Conditions)
	}
	return permissions
}

func (r *redactor) free(p *place, object map[string]any) map[string]any {
	if object == nil {
		return nil
	}
	return r.object(p, object, plain, 0)
}

// value is the value to show. above is what the names above say of the texts
// and numbers in it.
func (r *redactor) value(p *place, value any, above kind, level int) any {
	switch value := value.(type) {
	case nil, bool:
		return value
	case map[string]any:
		if above != strong && above != manyOf {
			above = plain
		}
		return r.object(p, value, above, level)
	case []any:
		clean := make([]any, len(value))
		for i, item := range value {
			clean[i] = r.value(p.at(i), item, above, level)
		}
		return clean
	case string:
		if secretText(value, above) {
			return r.hide(p, value)
		}
		return r.text(p, value, level)
	case json.Number:
		if secretNumber(value.String(), above) {
			return r.hide(p, value.String())
		}
		return value
	}
	// A value that is no JSON yet, from the same process.
	tree, err := strictjson.Normalize(value)
	if err != nil {
		return r.unreadable(p, fmt.Sprintf("%T", value))
	}
	return r.value(p, tree, above, level)
}

// object is the object to show. Members are taken in the order of their names,
// so that what is told does not change from one time to the next.
func (r *redactor) object(p *place, object map[string]any, above kind, level int) map[string]any {
	clean := make(map[string]any, len(object))
	named := labelled(object)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value, own := object[name], ofName(name)
		if own == plain && isOneOf(values, name) {
			own = named
		}
		k := max(own, above)
		if own == plain && above != plain && leaf(value) && describes(name) {
			k = plain
		}
		at := p.in(name)
		clean[r.member(at, name, object, clean, level)] = r.value(at, value, k, level)
	}
	return clean
}

// labelled is what a list of names with values says of the value:
// {"name": "DB_PASSWORD", "value": "…"}.
func labelled(object map[string]any) kind {
	for _, label := range labels {
		if name, ok := object[label].(string); ok {
			if k := ofName(name); k != plain {
				return k
			}
		}
	}
	return plain
}

// member is the name to show. Two names never become one.
func (r *redactor) member(p *place, name string, object, clean map[string]any, level int) string {
	shown := r.show(p, name, level)
	if shown == name {
		return name
	}
	_, there := object[shown]
	_, taken := clean[shown]
	if there || taken { // the salt is secret, so that nobody can name a member like this one
		shown += " " + r.digest(name)
	}
	return shown
}

func leaf(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// maxSoft bounds, in bytes, what counts as a PIN or a short code.
const maxSoft = 64

func secretText(text string, k kind) bool {
	switch k {
	case plain:
		return false
	case soft:
		return text != "" && len(text) <= maxSoft && !strings.ContainsAny(text, " \t\r\n")
	case texts:
		return text != "" && !publicToken(text)
	case manyOf, strong:
	}
	return text != ""
}

func secretNumber(number string, k kind) bool {
	return k == strong || (k == soft && digits(number))
}

// publicToken reports whether the text names a token that is traded, by its
// ticker or by the address of its contract: that is what an approver has to see.
func publicToken(text string) bool {
	if rest, ok := strings.CutPrefix(text, "0x"); ok {
		return len(rest) == 40 && strings.Trim(rest, "0123456789abcdefABCDEF") == ""
	}
	return len(text) >= 3 && len(text) <= 5 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// text is a text to show.
func (r *redactor) text(p *place, text string, level int) string {
	return r.show(p, r.inside(p, text, level), level)
}

// inside looks at what a text is, hides the secrets in it, and leaves the rest
// byte for byte where there are none.
func (r *redactor) inside(p *place, text string, level int) string {
	switch {
	case text == "":
		return text
	case looksLikeJSON(text):
		if clean, ok := r.json(p, text, level); ok {
			return clean
		}
	case looksLikeForm(text):
		return r.form(p, text, level)
	}
	if boundary := boundaryIn(text); boundary != "" {
		return r.multipart(p, text, boundary, level)
	}
	if strings.ContainsRune(text, '\n') {
		if first, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n"); looksLikeJSON(first) {
			return r.lines(p, text, level)
		}
	}
	return r.search(p, text)
}

// deeper is inside for a text that stands in another.
func (r *redactor) deeper(p *place, text string, level int) string {
	if level+1 < maxLevels {
		return r.inside(p, text, level+1)
	}
	if strings.ContainsAny(text, `{[<=:`) { // nobody would find out what is in it
		return r.unreadable(p, text)
	}
	return r.search(p, text)
}

func looksLikeJSON(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) < 2 {
		return false
	}
	switch text[0] {
	case '{':
		return text[len(text)-1] == '}'
	case '[':
		return text[len(text)-1] == ']'
	case '"':
		return text[len(text)-1] == '"'
	}
	return false
}

// json is a text that is one JSON value. ok is false for one that is none by
// the strict rules; a search finds what is in that.
func (r *redactor) json(p *place, text string, level int) (clean string, ok bool) {
	if level+1 >= maxLevels {
		return r.unreadable(p, text), true
	}
	tree, err := strictjson.Parse([]byte(text))
	if err != nil {
		return "", false
	}
	before := r.secrets
	tree = r.value(p, tree, plain, level+1)
	if r.secrets == before {
		return text, true
	}
	bytes, err := strictjson.Marshal(tree)
	if err != nil {
		return r.unreadable(p, text), true
	}
	return string(bytes), true
}

// lines is a text with a JSON value on each line.
func (r *redactor) lines(p *place, text string, level int) string {
	var out strings.Builder
	number := 0
	for line := range strings.Lines(text) {
		content := strings.TrimRight(line, "\r\n")
		at := p.at(number)
		number++
		if looksLikeJSON(content) {
			if clean, ok := r.json(at, content, level); ok {
				out.WriteString(clean)
				out.WriteString(line[len(content):])
				continue
			}
		}
		out.WriteString(r.search(at, content))
		out.WriteString(line[len(content):])
	}
	return out.String()
}
