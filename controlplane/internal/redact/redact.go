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

// maxLevels is how deep texts inside texts are parsed, such as a JSON text in a form
// in a string.
const maxLevels = 8

// Approval redacts the secrets of an approval and escapes invisible characters. The
// fields Redacted and Escaped list the changed locations, sorted. Maps, slices and
// the HTTP call are copied, not changed. Ids stay as they are, because they are
// compared.
func Approval(a *aureus.Approval) {
	r := newRedactor()
	root := (*location)(nil)
	action, principal := root.child("action"), root.child("principal")
	a.Action.Name = r.redactProse(action.child("name"), a.Action.Name)
	a.Action.Metadata = r.redactFreeForm(action.child("metadata"), a.Action.Metadata)
	a.Action.RequiredPermissions = r.redactPermissions(action.child("required_permissions"), a.Action.RequiredPermissions)
	a.Principal.Type = r.redactProse(principal.child("type"), a.Principal.Type)
	a.Principal.Permissions = r.redactPermissions(principal.child("permissions"), a.Principal.Permissions)
	a.Arguments = r.redactValue(root.child("arguments"), a.Arguments, notSecret, 0)
	a.Reason = r.redactProse(root.child("reason"), a.Reason)
	if a.HTTP != nil {
		a.HTTP = r.redactCall(root.child("http"), *a.HTTP)
	}
	a.Volatile = slices.Clone(a.Volatile)
	for i, pointer := range a.Volatile {
		a.Volatile[i] = r.escapeUnseen(root.child("volatile").item(i), pointer, 0)
	}
	a.MayChange = approval.MayChange(a.Volatile, a.Arguments, a.Action.Metadata)
	a.Redacted, a.Escaped = r.hidden.sorted(), r.escaped.sorted()
}

// redactor works on one approval.
type redactor struct {
	salt            [16]byte
	hidden, escaped locations
	secrets         int // number of values hidden so far
}

func newRedactor() *redactor {
	r := &redactor{}
	_, _ = rand.Read(r.salt[:]) // never fails
	return r
}

func (l *locations) sorted() []string {
	if len(l.pointers) == 0 {
		return nil
	}
	rest := l.pointers
	if l.full { // the empty pointer stays last
		rest = rest[:len(rest)-1]
	}
	slices.Sort(rest)
	if l.full {
		return append(slices.Compact(rest), "")
	}
	return slices.Compact(rest)
}

// hideSecret records the location of a secret and returns its placeholder.
func (r *redactor) hideSecret(p *location, secret string) string {
	return r.placeholder(p, "REDACTED", secret)
}

// hideUnreadable records the location of content that a person cannot read, and
// returns its placeholder.
func (r *redactor) hideUnreadable(p *location, content string) string {
	return r.placeholder(p, "UNREADABLE", content)
}

func (r *redactor) placeholder(p *location, word, content string) string {
	r.secrets++
	r.hidden.add(p)
	return "[" + word + " length:" + strconv.Itoa(len(content)) + " " + r.digest(content) + "]"
}

// digest returns a short salted hash of the content. It can only be compared within
// one approval.
func (r *redactor) digest(content string) string {
	hash := sha256.New()
	_, _ = hash.Write(r.salt[:])
	_, _ = hash.Write([]byte(content))
	return "digest:" + hex.EncodeToString(hash.Sum(nil)[:4])
}

// escapeUnseen escapes invisible characters. A text inside another text (level
// above 0) is escaped with the outermost one.
func (r *redactor) escapeUnseen(p *location, text string, level int) string {
	if level > 0 {
		return text
	}
	shown := Visible(text)
	if shown != text {
		r.escaped.add(p)
	}
	return shown
}

// redactProse redacts a text that people write or read and that has no name.
func (r *redactor) redactProse(p *location, text string) string {
	return r.escapeUnseen(p, r.search(p, text), 0)
}

func (r *redactor) redactPermissions(p *location, permissions []aureus.Permission) []aureus.Permission {
	permissions = slices.Clone(permissions)
	for i := range permissions {
		permissions[i].Conditions = r.redactFreeForm(p.item(i).child("conditions"), permissions[i].Conditions)
	}
	return permissions
}

func (r *redactor) redactFreeForm(p *location, object map[string]any) map[string]any {
	if object == nil {
		return nil
	}
	return r.redactObject(p, object, notSecret, 0)
}

// redactValue returns the value to show. inherited is the kind that the names
// of the enclosing objects give the texts and numbers inside.
func (r *redactor) redactValue(p *location, value any, inherited kind, level int) any {
	switch value := value.(type) {
	case nil, bool:
		return value
	case map[string]any:
		if inherited != secretAll && inherited != secretCollection {
			inherited = notSecret
		}
		return r.redactObject(p, value, inherited, level)
	case []any:
		clean := make([]any, len(value))
		for i, item := range value {
			clean[i] = r.redactValue(p.item(i), item, inherited, level)
		}
		return clean
	case string:
		if secretText(value, inherited) {
			return r.hideSecret(p, value)
		}
		return r.redactAndEscape(p, value, level)
	case json.Number:
		if secretNumber(value.String(), inherited) {
			return r.hideSecret(p, value.String())
		}
		return value
	}
	// A Go value of another type, from a caller in the same process.
	tree, err := strictjson.Normalize(value)
	if err != nil {
		return r.hideUnreadable(p, fmt.Sprintf("%T", value))
	}
	return r.redactValue(p, tree, inherited, level)
}

// redactObject returns the object to show. It handles the members in the order
// of their names, so that the result is always the same.
func (r *redactor) redactObject(p *location, object map[string]any, inherited kind, level int) map[string]any {
	clean := make(map[string]any, len(object))
	named := kindFromLabel(object)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value, own := object[name], kindOfName(name)
		if own == notSecret && inSet(valueNames, name) {
			own = named
		}
		k := max(own, inherited)
		if own == notSecret && inherited != notSecret && isLeaf(value) && isDescription(name) {
			k = notSecret
		}
		loc := p.child(name)
		clean[r.memberName(loc, name, object, clean, level)] = r.redactValue(loc, value, k, level)
	}
	return clean
}

// kindFromLabel returns the kind of the value in an object with a name and a
// value, such as {"name": "DB_PASSWORD", "value": "…"}.
func kindFromLabel(object map[string]any) kind {
	for _, label := range labelNames {
		if name, ok := object[label].(string); ok {
			if k := kindOfName(name); k != notSecret {
				return k
			}
		}
	}
	return notSecret
}

// memberName returns the member name to show. Two different names never become
// the same.
func (r *redactor) memberName(p *location, name string, object, clean map[string]any, level int) string {
	shown := r.escapeUnseen(p, name, level)
	if shown == name {
		return name
	}
	_, inOriginal := object[shown]
	_, inResult := clean[shown]
	if inOriginal || inResult { // the digest cannot be predicted, so the new name is unique
		shown += " " + r.digest(name)
	}
	return shown
}

func isLeaf(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// maxCode is the maximum length, in bytes, of a PIN or a short code.
const maxCode = 64

func secretText(text string, k kind) bool {
	switch k {
	case notSecret:
		return false
	case secretCode:
		return text != "" && len(text) <= maxCode && !strings.ContainsAny(text, " \t\r\n")
	case secretTexts:
		return text != "" && !publicToken(text)
	case secretCollection, secretAll:
	}
	return text != ""
}

func secretNumber(number string, k kind) bool {
	return k == secretAll || (k == secretCode && isDigits(number))
}

// publicToken reports whether the text names a traded token, by its ticker
// symbol or by the address of its contract. An approver must see such a name.
func publicToken(text string) bool {
	if rest, ok := strings.CutPrefix(text, "0x"); ok {
		return len(rest) == 40 && strings.Trim(rest, "0123456789abcdefABCDEF") == ""
	}
	return len(text) >= 3 && len(text) <= 5 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// redactAndEscape returns a text to show.
func (r *redactor) redactAndEscape(p *location, text string, level int) string {
	return r.escapeUnseen(p, r.redactText(p, text, level), level)
}

// redactText redacts the secrets in a text according to its format. A text
// without secrets is returned unchanged.
func (r *redactor) redactText(p *location, text string, level int) string {
	switch {
	case text == "":
		return text
	case looksLikeJSON(text):
		if clean, ok := r.redactJSON(p, text, level); ok {
			return clean
		}
	case looksLikeForm(text):
		return r.redactForm(p, text, level)
	}
	if boundary := boundaryIn(text); boundary != "" {
		return r.redactMultipart(p, text, boundary, level)
	}
	if strings.ContainsRune(text, '\n') {
		if first, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n"); looksLikeJSON(first) {
			return r.redactLines(p, text, level)
		}
	}
	return r.search(p, text)
}

// redactNested is redactText for a text inside another text.
func (r *redactor) redactNested(p *location, text string, level int) string {
	if level+1 < maxLevels {
		return r.redactText(p, text, level+1)
	}
	if strings.ContainsAny(text, `{[<=:`) { // it may have a format that is not parsed at this depth
		return r.hideUnreadable(p, text)
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

// redactJSON redacts a text that is one JSON value. ok is false if the text is
// not valid by the strict rules; the caller then searches it.
func (r *redactor) redactJSON(p *location, text string, level int) (clean string, ok bool) {
	if level+1 >= maxLevels {
		return r.hideUnreadable(p, text), true
	}
	tree, err := strictjson.Parse([]byte(text))
	if err != nil {
		return "", false
	}
	before := r.secrets
	tree = r.redactValue(p, tree, notSecret, level+1)
	if r.secrets == before {
		return text, true
	}
	bytes, err := strictjson.Marshal(tree)
	if err != nil {
		return r.hideUnreadable(p, text), true
	}
	return string(bytes), true
}

// redactLines redacts a text that has a JSON value on each line.
func (r *redactor) redactLines(p *location, text string, level int) string {
	var out strings.Builder
	number := 0
	for line := range strings.Lines(text) {
		content := strings.TrimRight(line, "\r\n")
		loc := p.item(number)
		number++
		if looksLikeJSON(content) {
			if clean, ok := r.redactJSON(loc, content, level); ok {
				out.WriteString(clean)
				out.WriteString(line[len(content):])
				continue
			}
		}
		out.WriteString(r.search(loc, content))
		out.WriteString(line[len(content):])
	}
	return out.String()
}
