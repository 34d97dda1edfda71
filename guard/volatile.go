package guard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// mask is a tree of the names that the digest omits from a value. A nil mask
// omits nothing.
type mask struct {
	omitted  bool
	children map[string]*mask
}

// child returns the mask for the value of that name, or nil.
func (m *mask) child(name string) *mask {
	if m == nil {
		return nil
	}
	return m.children[name]
}

func (m *mask) omits(name string) bool {
	c := m.child(name)
	return c != nil && c.omitted
}

// omit adds the value at the path to those that the mask omits.
func (m *mask) omit(path []string) {
	for _, name := range path {
		next := m.children[name]
		if next == nil {
			if m.children == nil {
				m.children = make(map[string]*mask)
			}
			next = &mask{}
			m.children[name] = next
		}
		m = next
	}
	m.omitted = true
}

// usedByRules lists the names in metadata that the rules read, and the preview, by which
// people decide. They must not be volatile: their values must not change after a person has approved them.
var usedByRules = []string{mcpServerName, mcpActionName, requiresCRVValidation, crvGateName, "tool_name", approval.PreviewName}

// masks builds, from the volatile list of a request, the masks for its arguments
// and for its action's metadata. The ticket in the metadata is always omitted.
func masks(volatile []string) (arguments, metadata *mask, err error) {
	arguments, metadata = &mask{}, &mask{}
	metadata.omit([]string{"approval_token"})
	for i, pointer := range volatile {
		tokens, problem := pointerTokens(pointer)
		switch {
		case problem != "":
		case len(tokens) > 1 && tokens[0] == "arguments":
			arguments.omit(tokens[1:])
		case len(tokens) > 1 && tokens[0] == "metadata" && slices.Contains(usedByRules, tokens[1]):
			problem = "must not be volatile, because the rules or the approver read this value"
		case len(tokens) > 1 && tokens[0] == "metadata":
			metadata.omit(tokens[1:])
		default:
			problem = "must point to a value inside /arguments or /metadata"
		}
		if problem != "" {
			return nil, nil, fmt.Errorf("guard: %w: /volatile/%d: %s", aureus.ErrInvalid, i, problem)
		}
	}
	return arguments, metadata, nil
}

// pointerTokens splits a JSON pointer (RFC 6901).
func pointerTokens(pointer string) (tokens []string, problem string) {
	if !strings.HasPrefix(pointer, "/") {
		return nil, "must be a JSON pointer, which begins with a slash"
	}
	tokens = strings.Split(pointer[1:], "/")
	for i, token := range tokens {
		for rest := token; ; {
			_, after, escaped := strings.Cut(rest, "~")
			if !escaped {
				break
			}
			if after == "" || (after[0] != '0' && after[0] != '1') {
				return nil, "must be a JSON pointer, in which ~ is written as ~0"
			}
			rest = after
		}
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens, ""
}
