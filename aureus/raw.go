package aureus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Call makes a request to an endpoint that has no method yet. The path is below
// /api/v1, begins with a slash, is escaped, and may end in a query. in is sent
// as JSON unless it is nil; out, a pointer, takes the answer strictly as the
// other methods do, a *[json.RawMessage] takes it whole, and nil takes nothing.
// GET and HEAD are tried again as [Reads], other methods as [Changes] under an
// Idempotency-Key. Errors are as of every other method.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	op := method + " " + path
	k := call{op: op, class: classChanges, keyed: true, method: method, silence: true, raw: true}
	if method == http.MethodGet || method == http.MethodHead {
		k.class, k.keyed = classReads, false
	}
	if method != "" && !validToken(method) {
		return &Error{Op: op, Message: fmt.Sprintf("there can be no method %q", clip(method, 50)), Err: ErrInvalid}
	}
	var err error
	if k.path, k.query, err = splitPath(op, path); err != nil {
		return err
	}
	if in != nil {
		if k.body, err = encode(op, in); err != nil {
			return err
		}
	}
	if out == nil {
		return c.do(ctx, k, func(response *http.Response) error {
			drain(response.Body)
			return nil
		})
	}
	body, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw, err = anyJSON(op, body, new(any))
		return err
	}
	if err := strictjson.Unmarshal(body, out); err != nil { // out may hold something, and keeps what the answer leaves alone
		return malformed(op, err)
	}
	return nil
}

func splitPath(op, path string) (string, url.Values, error) {
	bad := func(why string) error {
		return &Error{Op: op, Message: "the path " + why, Err: ErrInvalid}
	}
	path, rawQuery, _ := strings.Cut(path, "?")
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.ContainsAny(path, "#\\") {
		return "", nil, bad("must begin with one slash and hold no //, # or backslash")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "", nil, bad("must not climb with . or ..")
		}
	}
	if u, err := url.Parse(path); err != nil || u.Path == "" {
		return "", nil, bad("is not escaped")
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", nil, bad("ends in a malformed query")
	}
	return path, query, nil
}
