package middleware

import (
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// ApprovalHeader is the request header in which an approval is presented again:
// the id of the approval, as the answer that asked for it gave it. It is a hint
// to decide anew and grants nothing by itself.
const ApprovalHeader = "Aureus-Approval"

// rawPath is the name, in HTTPCall.Headers, under which the path is bound as it
// came where something in front of the guard has rewritten it. It is the name
// that HTTP/2 has for the path, and cannot be a header's.
const rawPath = ":path"

// trailerName is what a trailer's name begins with in HTTPCall.Headers. It
// cannot be that of a header.
const trailerName = "trailer:"

// overrides are the headers in which some frameworks look for another method
// than that of the request.
var overrides = [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// notOverridden refuses a request whose method may be another one for what
// stands behind the guard, unless the header is declared.
func notOverridden(r *http.Request, declared []string) error {
	for _, name := range overrides {
		if _, ok := r.Header[name]; ok && !slices.Contains(declared, name) {
			return &Invalid{Reason: name + " is not taken here, since another method would be decided on than the one that is done; send the request with the method that is meant"}
		}
	}
	return nil
}

// matters reports whether what stands behind the guard may do something else
// because of a header, whatever the application is: conditions and ranges,
// operations named in a header, and what proxies say of the address. They are
// bound wherever they are, and cost nothing where they are not.
func matters(name string) bool {
	switch name {
	case "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "If",
		"Range", "Content-Range", "Content-Disposition", "Content-Location", "Content-Language", "Upgrade",
		"Destination", "Depth", "Overwrite", // of WebDAV
		"Soapaction", "X-Amz-Target",
		"X-Original-Url", "X-Original-Uri", "X-Original-Host", "X-Original-Method", "X-Rewrite-Url", "X-Host", "X-Script-Name",
		"X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
		"X-Forwarded-Scheme", "X-Forwarded-Uri":
		return true
	}
	return false
}

// bind is what an approval of the request binds.
func (v *exchange) bind(r *http.Request, headers []string) *aureus.HTTPCall {
	c := &v.call
	c.Method, c.Host, c.Path, c.Query = r.Method, r.Host, r.URL.EscapedPath(), r.URL.RawQuery
	c.ContentType = v.bindSingle(r, "Content-Type")
	c.ContentEncoding = v.bindSingle(r, "Content-Encoding")
	for name, values := range r.Header {
		switch {
		case matters(name):
			v.bindHeader(name, values)
		case name == "Forwarded":
			v.bindForwarded(values)
		}
	}
	for _, name := range headers {
		if values, ok := r.Header[name]; ok {
			v.bindHeader(name, values)
		}
	}
	if came, _, _ := strings.Cut(r.RequestURI, "?"); came != c.Path && strings.HasPrefix(came, "/") {
		v.bindHeader(rawPath, []string{came})
	}
	if v.body.src != nil {
		if v.body.length < 0 || len(r.Trailer) > 0 { // there may be trailers, known when the body has ended
			if c.Headers == nil {
				c.Headers = make(map[string][]string)
			}
			v.body.ended = func() { v.bindTrailers(r.Trailer) }
		}
		c.GetBody = v.body.all
	}
	return c
}

// bindTrailers adds the trailers to the headers that are bound. It runs once,
// before the first reader of the body gets it.
func (v *exchange) bindTrailers(trailers http.Header) {
	for name, values := range trailers {
		if len(values) > 0 {
			v.call.Headers[trailerName+name] = values
		}
	}
}

// bindForwarded binds what Forwarded (RFC 7239) says of the host and the scheme.
// Who it was forwarded for and by differs between asking and asking again.
func (v *exchange) bindForwarded(values []string) {
	var kept []string
	for _, value := range values {
		for pair := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ';' || c == ',' }) {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if !strings.EqualFold(name, "for") && !strings.EqualFold(name, "by") {
				kept = append(kept, strings.TrimSpace(pair))
			}
		}
	}
	if len(kept) > 0 {
		v.bindHeader("Forwarded", kept)
	}
}

// bindSingle is the value of a header that should occur once. More than one are
// bound all, since the handler may read any of them.
func (v *exchange) bindSingle(r *http.Request, name string) string {
	values := r.Header[name]
	if len(values) == 0 {
		return ""
	}
	if len(values) > 1 {
		v.bindHeader(name, values)
	}
	return values[0]
}

func (v *exchange) bindHeader(name string, values []string) {
	if v.call.Headers == nil {
		v.call.Headers = make(map[string][]string)
	}
	v.call.Headers[name] = values
}

// presented is the approval that the request presents, if any. The header must
// then occur once and hold the id of one approval.
func presented(header http.Header) (string, error) {
	values := header[ApprovalHeader]
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", &Invalid{Reason: ApprovalHeader + " occurs more than once; present one approval"}
	case !idtext.IsApproval(values[0]):
		return "", &Invalid{Reason: ApprovalHeader + " must be the id of an approval: apr_ and 26 characters"}
	}
	return values[0], nil
}
