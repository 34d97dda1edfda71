package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// limitedBody is a body that ends with an [http.MaxBytesError] beyond its limit.
type limitedBody struct {
	io.ReadCloser
	limit int64 // bytes
}

// ReadBody reads the whole body within its limit, and decompresses it. Its memory
// is charged to the request's account. Where processing it may take long, ReadBody
// waits for the request's turn to be processed.
func ReadBody(r *http.Request) ([]byte, error) {
	body, err := readPlain(r)
	if err != nil {
		return nil, readError(err)
	}
	if state := stateOf(r); state.longWork || len(body) > LongBody {
		if err := state.account.Work(r.Context()); err != nil {
			return nil, CapacityError(err)
		}
	}
	return body, nil
}

// ReadJSON reads the body, which must be one JSON value of the shape that v, a
// pointer to a zero value, declares. null is refused.
func ReadJSON(r *http.Request, v any) error {
	_, err := ReadJSONText(r, v)
	return err
}

// ReadJSONText is ReadJSON that also returns the text of the body.
func ReadJSONText(r *http.Request, v any) ([]byte, error) {
	body, err := ReadBody(r)
	if err != nil {
		return nil, err
	}
	if err := Charge(r, body); err != nil {
		return nil, err
	}
	return body, DecodeBody(body, v)
}

// Charge charges the request for what the JSON text takes in memory once it is
// decoded.
func Charge(r *http.Request, text []byte) error {
	return CapacityError(Account(r).Charge(governor.Weigh(text)))
}

// DecodeBody is ReadJSON for a body that has been read.
func DecodeBody(body []byte, v any) error {
	if string(bytes.TrimSpace(body)) == "null" {
		return BadBody(&strictjson.ShapeError{Problems: []strictjson.Problem{{Message: "the body must not be null"}}})
	}
	if err := jsonscan.Unmarshal(body, v); err != nil {
		return BadBody(err)
	}
	return nil
}

// readPlain reads a body that may be compressed. The limit holds for what is sent
// and for what it expands to.
func readPlain(r *http.Request) ([]byte, error) {
	account := Account(r)
	body, ok := r.Body.(*limitedBody)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); {
	case !ok:
	case encoding == "", encoding == "identity":
		return governor.ReadAll(body, r.ContentLength, body.limit, account)
	case encoding == "gzip":
		packed, err := governor.ReadAll(body, r.ContentLength, body.limit, account)
		if err != nil {
			return nil, err
		}
		defer account.Refund(int64(cap(packed)))
		if len(packed) > longGzipBody {
			if err := account.Work(r.Context()); err != nil {
				return nil, CapacityError(err)
			}
		}
		return gunzip(packed, body.limit, account)
	}
	return nil, Problem(http.StatusUnsupportedMediaType, wire.CodeMediaType, "the body has a content encoding that is not served here",
		WithRemediation("Send it plain or with gzip."), WithHeader("Accept-Encoding", "gzip"))
}

// gunzip decompresses at most limit bytes.
func gunzip(packed []byte, limit int64, account *governor.Account) ([]byte, error) {
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	body, err := governor.ReadAll(io.LimitReader(plain, limit+1), -1, limit, account)
	if err == nil && int64(len(body)) > limit {
		err = &http.MaxBytesError{Limit: limit}
	}
	return body, err
}

// readError is the answer for a body that could not be read.
func readError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return bodyTooLarge(tooLarge.Limit)
	}
	if _, ok := errors.AsType[*governor.RefusedError](err); ok {
		return CapacityError(err)
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if errors.Is(err, governor.ErrSlow) {
		return Problem(http.StatusRequestTimeout, wire.CodeTooSlow, fmt.Sprintf("the body came too slowly: after the first %s it must come with %d KiB a second, and end within %s",
			governor.Grace, governor.MinRate>>10, governor.MaxBodyTime), WithRemediation("Send less at once, or compressed."), WithHeader("Connection", "close"))
	}
	return Problem(http.StatusBadRequest, wire.CodeMalformed, "the body broke off, or is not what its Content-Encoding says", WithCause(err))
}

func bodyTooLarge(limit int64) error {
	return Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit),
		WithRemediation("Send less at once."))
}
