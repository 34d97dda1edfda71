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

// Call makes a request to an endpoint for which Client has no method. The path is
// below /api/v1, begins with a slash, is escaped, and may end in a query. in is
// sent as JSON, unless it is nil. The response is decoded strictly into out, a
// pointer; a *[json.RawMessage] receives the whole body, and with nil the body is
// not read. GET and HEAD are retried as [RetryPolicies.Reads], other methods as
// [RetryPolicies.Changes] with an Idempotency-Key. Errors are those of every
// other method.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	op := method + " " + path
	k := call{op: op, class: classChanges, keyed: true, method: method, idleTimeout: true, raw: true}
	if method == http.MethodGet || method == http.MethodHead {
		k.class, k.keyed = classReads, false
	}
	if method != "" && !validToken(method) {
		return &Error{Op: op, Message: fmt.Sprintf("%q is not a valid method", clip(method, 50)), Err: ErrInvalid}
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
	if err := strictjson.Unmarshal(body, out); err != nil { // fields of out that the response does not name keep their values
		return malformed(op, err)
	}
	return nil
}

func splitPath(op, path string) (string, url.Values, error) {
	bad := func(problem string) error {
		return &Error{Op: op, Message: "the path " + problem, Err: ErrInvalid}
	}
	path, rawQuery, _ := strings.Cut(path, "?")
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.ContainsAny(path, "#\\") {
		return "", nil, bad("must begin with one slash and have no //, # or backslash")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "", nil, bad("must have no segment . or ..")
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
