package guard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// mask is a tree of the names that the digest leaves out of a value.
type mask struct {
	dropped bool
	under   map[string]*mask
}

// child is the mask for the value of that name; nil leaves nothing out.
func (m *mask) child(name string) *mask {
	if m == nil {
		return nil
	}
	return m.under[name]
}

func (m *mask) drops(name string) bool {
	c := m.child(name)
	return c != nil && c.dropped
}

func (m *mask) drop(tokens []string) {
	for _, token := range tokens {
		next := m.under[token]
		if next == nil {
			if m.under == nil {
				m.under = make(map[string]*mask)
			}
			next = &mask{}
			m.under[token] = next
		}
		m = next
	}
	m.dropped = true
}

// readByRules are the names in metadata that decisions are made on: what an
// approver saw of them must not change.
var readByRules = []string{mcpServerName, mcpActionName, requiresCRVValidation, crvGateName, "tool_name"}

// masks reads the volatile list of a request: the masks for its arguments and
// for its action's metadata. The ticket in the metadata is always left out.
func masks(volatile []string) (arguments, metadata *mask, err error) {
	arguments, metadata = &mask{}, &mask{}
	metadata.drop([]string{"approval_token"})
	for i, pointer := range volatile {
		tokens, problem := pointerTokens(pointer)
		switch {
		case problem != "":
		case len(tokens) > 1 && tokens[0] == "arguments":
			arguments.drop(tokens[1:])
		case len(tokens) > 1 && tokens[0] == "metadata" && slices.Contains(readByRules, tokens[1]):
			problem = "is what the rules decide on, so it must be bound"
		case len(tokens) > 1 && tokens[0] == "metadata":
			metadata.drop(tokens[1:])
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
		return nil, "must be a JSON pointer, which starts with a slash"
	}
	tokens = strings.Split(pointer[1:], "/")
	for i, token := range tokens {
		for rest := token; ; {
			_, after, escaped := strings.Cut(rest, "~")
			if !escaped {
				break
			}
			if after == "" || (after[0] != '0' && after[0] != '1') {
				return nil, "must be a JSON pointer, in which ~ is written ~0"
			}
			rest = after
		}
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens, ""
}
