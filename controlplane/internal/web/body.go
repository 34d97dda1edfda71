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

// limitedBody is a request body that returns an [http.MaxBytesError] beyond its limit.
type limitedBody struct {
	io.ReadCloser
	limit int64 // bytes
}

// ReadBody reads and decompresses the whole body, within its limit. Its memory is
// charged to the request's account. If the body is long, or the route has LongWork,
// ReadBody also waits until the request may use a processor.
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

// ReadJSON reads the body and decodes it into v, a pointer to a zero value. The body
// must be one JSON value that fits the type of v, and not null.
func ReadJSON(r *http.Request, v any) error {
	_, err := ReadJSONText(r, v)
	return err
}

// ReadJSONText does the same as ReadJSON, and also returns the text of the body.
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

// Charge charges the request for the memory that the JSON text takes when decoded.
func Charge(r *http.Request, text []byte) error {
	return CapacityError(Account(r).Charge(governor.Weigh(text)))
}

// DecodeBody decodes a body that has been read, as ReadJSON does.
func DecodeBody(body []byte, v any) error {
	if string(bytes.TrimSpace(body)) == "null" {
		return BadBody(&strictjson.ShapeError{Problems: []strictjson.Problem{{Message: "the body must not be null"}}})
	}
	if err := jsonscan.Unmarshal(body, v); err != nil {
		return BadBody(err)
	}
	return nil
}

// readPlain reads a body and decompresses it if it is compressed. The limit holds for
// the compressed and for the decompressed bytes.
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
	return nil, Problem(http.StatusUnsupportedMediaType, wire.CodeMediaType, "the Content-Encoding of the body is not supported",
		WithRemediation("Send the body uncompressed or with gzip."), WithHeader("Accept-Encoding", "gzip"))
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

// readError converts an error of reading a body into the error of the response.
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
		return Problem(http.StatusRequestTimeout, wire.CodeTooSlow, fmt.Sprintf("the body arrived too slowly: after the first %s it must arrive with at least %d KiB per second, and be complete within %s",
			governor.Grace, governor.MinRate>>10, governor.MaxBodyTime), WithRemediation("Send a smaller body, or compress it."), WithHeader("Connection", "close"))
	}
	return Problem(http.StatusBadRequest, wire.CodeMalformed, "the body is incomplete, or does not match its Content-Encoding", WithCause(err))
}

func bodyTooLarge(limit int64) error {
	return Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit),
		WithRemediation("Send a smaller body."))
}
