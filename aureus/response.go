package aureus

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// maxMessage limits how much of the server's message an error repeats, in runes.
const maxMessage = 500

// errorFromResponse makes the error of a response that is not a success. The body
// may be that of the control plane (error, code, details, remediation,
// request_id), an RFC 9457 problem (title, detail, code), or anything else.
func errorFromResponse(op string, response *http.Response) *Error {
	e := &Error{
		Op: op, StatusCode: response.StatusCode,
		RequestID:  clip(response.Header.Get("X-Request-Id"), 128),
		RetryAfter: retryAfter(response.Header, time.Now()),
	}
	if e.StatusCode >= 300 && e.StatusCode <= 399 {
		e.Message = "the server redirects, and the client does not follow redirects; check the base URL"
		return e
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	if err != nil {
		e.Message = http.StatusText(e.StatusCode)
		return e
	}
	body, err := strictjson.Parse(text)
	object, ok := body.(map[string]any)
	if err != nil || !ok {
		e.Message = http.StatusText(e.StatusCode)
		if e.StatusCode == http.StatusNotFound {
			e.Remediation = "the response does not come from Aureus; check the base URL. The client adds " + apiPrefix + " and the endpoint to it"
		}
		return e
	}
	first := func(names ...string) string {
		for _, name := range names {
			if s, ok := object[name].(string); ok && s != "" {
				return clip(s, maxMessage)
			}
		}
		return ""
	}
	e.Message = cmp.Or(first("error", "detail", "title"), http.StatusText(e.StatusCode))
	e.Code = first("code")
	e.Details = object["details"]
	e.Remediation = first("remediation")
	e.RequestID = cmp.Or(e.RequestID, first("request_id"))
	return e
}

// clip shortens a text from outside to limit runes and replaces control and format
// characters by spaces, so that it cannot add lines to a log or change the
// direction of its text.
func clip(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// retryAfter reads Retry-After: seconds or an HTTP date (RFC 9110, 10.2.3).
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	seconds, err := strconv.ParseUint(text, 10, 31)
	if err == nil || errors.Is(err, strconv.ErrRange) { // seconds is the largest number then
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
