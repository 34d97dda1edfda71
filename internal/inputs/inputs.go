// Package inputs names the values of a request that a policy bundle reads, and says which
// of them may be recorded. A decider that records inputs, the control plane that stores
// them and the command that replays decisions use the same names.
package inputs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The bounds of the inputs of one decision.
const (
	MaxInputs = 64      // inputs that are listed
	MaxName   = 256     // bytes of a name
	MaxValue  = 1 << 10 // bytes of a value as JSON
	MaxValues = 4 << 10 // bytes of all values as JSON
	maxListed = 1000    // names that an allow-list may have
)

// Name returns the name of a path: its members with dots between them. A member that is
// not a plain word is in brackets and quotes, such as claims["department id"].
func Name(path []string) string {
	var name strings.Builder
	for n, member := range path {
		switch {
		case n == 0:
			name.WriteString(member)
		case isWord(member):
			name.WriteString("." + member)
		default:
			name.WriteString("[" + strconv.Quote(member) + "]")
		}
	}
	return name.String()
}

// Path returns the path that a name stands for. ok is false if Name does not return that
// name for any path.
func Path(name string) (path []string, ok bool) {
	if len(name) > MaxName {
		return nil, false
	}
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	path = append(path, name[:end])
	for rest := name[end:]; rest != ""; {
		if word, isDotted := strings.CutPrefix(rest, "."); isDotted {
			end := strings.IndexAny(word, ".[")
			if end < 0 {
				end = len(word)
			}
			path, rest = append(path, word[:end]), word[end:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(rest[1:])
		if err != nil {
			return nil, false
		}
		member, err := strconv.Unquote(quoted)
		after, closed := strings.CutPrefix(rest[1+len(quoted):], "]")
		if err != nil || !closed {
			return nil, false
		}
		path, rest = append(path, member), after
	}
	return path, isWord(path[0]) && Name(path) == name
}

// isWord reports whether a text is a name of letters, digits and underscores that does not
// begin with a digit.
func isWord(text string) bool {
	for n, r := range []byte(text) {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (n == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}

// roots has the first members of the paths that are inputs, and for each the only member
// that may follow, if there are any.
var roots = map[string][]string{
	"arguments": nil, "claims": nil, "principal": {"type"}, "request": {"method", "path", "host"},
}

// AllowList lists the inputs that may be recorded. The zero value lists none.
type AllowList struct{ paths [][]string }

// NewAllowList returns the list of these names: arguments, claims, principal.type,
// request.method, request.path and request.host, and names of members of arguments and
// claims. A name stands for everything inside of it too.
func NewAllowList(names []string) (AllowList, error) {
	if len(names) > maxListed {
		return AllowList{}, fmt.Errorf("must not have more than %d names", maxListed)
	}
	var list AllowList
	for _, name := range names {
		path, ok := Path(name)
		members, isRoot := roots[first(path)]
		known := ok && isRoot && (members == nil || len(path) == 2 && slices.Contains(members, path[1]))
		if !known {
			return AllowList{}, fmt.Errorf("%.80q is not the name of an input: it must be arguments or claims, a member such as arguments.amount or claims[\"department id\"], principal.type, request.method, request.path or request.host", name)
		}
		list.paths = append(list.paths, path)
	}
	return list, nil
}

func first(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return path[0]
}

// Empty reports whether nothing may be recorded.
func (l AllowList) Empty() bool { return len(l.paths) == 0 }

// Allows reports whether the value of a path may be recorded.
func (l AllowList) Allows(path []string) bool {
	return slices.ContainsFunc(l.paths, func(listed []string) bool { return HasPrefix(path, listed) })
}

// HasPrefix reports whether a path begins with the members of another one.
func HasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}
