package aureus

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	apiPrefix = "/api/v1"

	// maxAnswer bounds an answer that is held whole, in bytes.
	maxAnswer = 16 << 20
	// maxErrorBody bounds what is read of an answer that is an error.
	maxErrorBody = 64 << 10
)

// call is one operation of the API.
type call struct {
	op      string // the method of the client, for errors
	method  string
	path    string // below /api/v1, escaped
	query   url.Values
	body    []byte // nil: none
	retry   retryMode
	silence bool // the timeout bounds silence, not the attempt
}

// send makes the call and gives the answer's body, which must be JSON.
func (c *Client) send(ctx context.Context, k call) ([]byte, error) {
	var body []byte
	err := c.do(ctx, k, func(response *http.Response) error {
		var err error
		body, err = readJSONBody(k.op, response)
		return err
	})
	return body, err
}

// invoke makes the call and decodes the answer strictly into out.
func (c *Client) invoke(ctx context.Context, k call, out any) error {
	body, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	if err := strictjson.Unmarshal(body, out); err != nil {
		return malformed(k.op, err)
	}
	return nil
}

// do makes the call, again where the mode allows it, until read has taken a
// successful answer. The body given to read is closed afterwards.
func (c *Client) do(ctx context.Context, k call, read func(*http.Response) error) error {
	if c == nil || c.http == nil {
		return &Error{Op: k.op, Message: "the client was not made with NewClient", Err: ErrClosed}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.closed, func() { cancel(ErrClosed) })
	defer stop()

	idempotencyKey := ""
	if k.retry == retryReport {
		idempotencyKey = rand.Text()
	}
	for attempt := 1; ; attempt++ {
		sent, err := c.attempt(ctx, k, idempotencyKey, read)
		if err == nil {
			return nil
		}
		delay, again := c.retry.next(k.retry, attempt, sent, err)
		if !again || !c.retry.wait(ctx, delay) {
			return err
		}
	}
}

// attempt makes the call once. sent is false where the request certainly never
// reached the server.
func (c *Client) attempt(ctx context.Context, k call, idempotencyKey string, read func(*http.Response) error) (sent bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timeout := &Error{Op: k.op, Message: fmt.Sprintf("no answer within %v", c.timeout), Err: errors.Join(ErrUnavailable, context.DeadlineExceeded)}
	timer := time.AfterFunc(c.timeout, func() { cancel(timeout) })
	defer timer.Stop()

	request, err := c.newRequest(ctx, k, idempotencyKey)
	if err != nil {
		return false, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return !neverSent(err), connectionError(ctx, k.op, err)
	}
	defer drain(response.Body)
	if k.silence {
		timer.Stop()
		response.Body = &silenceReader{ReadCloser: response.Body, timer: timer, timeout: c.timeout}
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return true, answerError(k.op, response)
	}
	if err := read(response); err != nil {
		if _, ours := errors.AsType[*Error](err); ours {
			return true, err
		}
		return true, connectionError(ctx, k.op, err)
	}
	return true, nil
}

func (c *Client) newRequest(ctx context.Context, k call, idempotencyKey string) (*http.Request, error) {
	target := c.base.String() + apiPrefix + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, k.method, target, bytes.NewReader(k.body))
	if err != nil {
		return nil, &Error{Op: k.op, Message: "the request could not be made; is an id malformed?", Err: ErrInvalid}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "*/*")
	request.Header.Set("User-Agent", "aureus-go/"+Version)
	if key := c.key(); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if idempotencyKey != "" {
		request.Header.Set("Idempotency-Key", idempotencyKey)
	}
	return request, nil
}

// segment escapes an id for use in a path. Ids that a path cannot carry are
// refused here, before they can name something else.
func segment(op, what, id string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", &Error{Op: op, Message: fmt.Sprintf("the %s %q cannot stand in a path", what, id), Err: ErrInvalid}
	}
	return url.PathEscape(id), nil
}

// encode writes a request's body.
func encode(op string, v any) ([]byte, error) {
	body, err := strictjson.Marshal(v)
	if err != nil {
		return nil, &Error{Op: op, Message: "the request cannot be written as JSON: " + err.Error(), Err: ErrInvalid}
	}
	return body, nil
}

func readJSONBody(op string, response *http.Response) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || (kind != "application/json" && !strings.HasSuffix(kind, "+json")) {
		return nil, malformed(op, fmt.Errorf("the content type is not JSON (is another server at this address?)"))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, malformed(op, fmt.Errorf("it is larger than %d MiB", maxAnswer>>20))
	}
	return body, nil
}

func malformed(op string, cause error) *Error {
	return &Error{Op: op, Message: "the answer cannot be trusted: " + cause.Error(), Err: errors.Join(ErrMalformed, cause)}
}

// connectionError is the failure to get an answer. The cause of a cancelled
// context says more than the connection that it ended.
func connectionError(ctx context.Context, op string, err error) error {
	cause := context.Cause(ctx)
	if ours, ok := errors.AsType[*Error](cause); ok {
		return ours
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the text of a url.Error repeats the URL
	}
	switch {
	case errors.Is(cause, ErrClosed):
		return &Error{Op: op, Message: "the client was closed", Err: ErrClosed}
	case cause != nil:
		return &Error{Op: op, Message: "gave up: " + cause.Error(), Err: errors.Join(ErrUnavailable, cause, ctx.Err())}
	default:
		return &Error{Op: op, Message: "no answer: " + err.Error(), Err: errors.Join(ErrUnavailable, err)}
	}
}

// drain lets the connection be used again, unless too much is left to read.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody) // what cannot be read is only not reused
	_ = body.Close()
}

// silenceReader lets the timer run only while it waits for the server.
type silenceReader struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
}

func (r *silenceReader) Read(p []byte) (int, error) {
	r.timer.Reset(r.timeout)
	defer r.timer.Stop()
	return r.ReadCloser.Read(p)
}
