package aureustest

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// digestOf is the SHA-256 of the request's canonical JSON: the ids of its principals, the
// action, the tool, the arguments and the HTTP call, without the volatile values. It covers
// the same as guard.Digest, but the digests differ: guard.Digest treats 1.0 and 1 as the
// same number. reason says why the request has no digest; it is empty if it has one.
func digestOf(request aureus.Request) (_ aureus.Digest, reason string) {
	value, err := strictjson.Normalize(struct {
		Principal  string           `json:"principal"`
		OnBehalfOf string           `json:"on_behalf_of"`
		Action     aureus.Action    `json:"action"`
		Tool       string           `json:"tool"`
		Arguments  any              `json:"arguments"`
		HTTP       *aureus.HTTPCall `json:"http"`
		Volatile   []string         `json:"volatile"`
	}{request.Principal.ID, request.OnBehalfOf, request.Action, request.Tool, request.Arguments, request.HTTP, request.Volatile})
	if err != nil {
		return aureus.Digest{}, "the request has no canonical form: " + err.Error()
	}
	tree, _ := value.(map[string]any)
	action, _ := tree["action"].(map[string]any)
	metadata, _ := action["metadata"].(map[string]any)
	delete(metadata, "approval_token")
	for i, pointer := range request.Volatile {
		tokens := strings.Split(pointer, "/")
		switch {
		case len(tokens) > 2 && tokens[0] == "" && tokens[1] == "arguments":
			leaveOut(tree["arguments"], tokens[2:])
		case len(tokens) > 2 && tokens[0] == "" && tokens[1] == "metadata":
			leaveOut(metadata, tokens[2:])
		default:
			return aureus.Digest{}, fmt.Sprintf("/volatile/%d: must point to a value inside /arguments or /metadata", i)
		}
	}
	if len(metadata) == 0 {
		delete(action, "metadata")
	}
	text, err := strictjson.Marshal(tree)
	if err != nil {
		return aureus.Digest{}, "the request has no canonical form: " + err.Error()
	}
	return sha256.Sum256(text), ""
}

// leaveOut removes the value at the pointer (RFC 6901) from a free-form value; an item of a
// list becomes nil.
func leaveOut(value any, tokens []string) {
	token := strings.ReplaceAll(strings.ReplaceAll(tokens[0], "~1", "/"), "~0", "~")
	last := len(tokens) == 1
	switch value := value.(type) {
	case map[string]any:
		if last {
			delete(value, token)
		} else {
			leaveOut(value[token], tokens[1:])
		}
	case []any:
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(value) {
			if last {
				value[i] = nil
			} else {
				leaveOut(value[i], tokens[1:])
			}
		}
	}
}
