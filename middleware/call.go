package middleware

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/current"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/tracecontext"
)

// ApprovalHeader is the request header for the id of an approval. The caller receives the id
// in the 403 response, and puts it into this header when it sends the request again. The id
// grants nothing by itself: the request is decided again.
const ApprovalHeader = "Aureus-Approval"

// rawPath is the name in HTTPCall.Headers for the path as the server received it, if a
// handler in front of the guard has changed it. HTTP/2 uses this name for the path, and no
// header can have it.
const rawPath = ":path"

// omittedBody is the name in HTTPCall.Headers under which a body, or the parts of it, that are
// too long to be kept in memory stand with the number and the SHA-256 of their bytes. No header
// can have this name.
const omittedBody = ":body"

// trailerPrefix begins the name of a trailer in HTTPCall.Headers. No header can have such
// a name.
const trailerPrefix = "trailer:"

// The headers in which some frameworks look for a method that replaces that of the request.
const (
	methodOverride1 = "X-Http-Method-Override"
	methodOverride2 = "X-Http-Method"
	methodOverride3 = "X-Method-Override"
)

// checkOverrides refuses a request with a header that may replace its method, unless
// Options.Headers lists the header.
func checkOverrides(r *http.Request, declared []string) error {
	for _, name := range [...]string{methodOverride1, methodOverride2, methodOverride3} {
		if _, ok := r.Header[name]; ok && !slices.Contains(declared, name) {
			return &Invalid{Reason: name + " is not accepted, because the policy uses the method of the request; send the request with the intended method"}
		}
	}
	return nil
}

// isAlwaysBound reports whether an approval always binds a header, because the header may
// change what any handler does: conditions and ranges, operations named in a header, and the
// original address as proxies report it. The package documentation lists these headers.
func isAlwaysBound(name string) bool {
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

// bind fills in the parts of the request for the decider that come from the HTTP request, unless
// describe has set them: what an approval binds, the approval that the request presents, and
// the trace id. It goes through the headers once. A header that replaces the method is an error.
func (v *exchange) bind(r *http.Request, request *aureus.Request) (err error) {
	c := &v.call
	c.Method, c.Host, c.Path = r.Method, r.Host, r.URL.EscapedPath()
	if c.Query, err = v.config.hideQuery(r.URL.RawQuery); err != nil {
		return err
	}
	for name, values := range r.Header {
		switch name {
		case "Host": // only in HTTP/2, beside the pseudo-header that r.Host is from
			if r.Host != "" && (len(values) != 1 || !strings.EqualFold(values[0], r.Host)) {
				return &Invalid{Reason: "the header Host names another host than the request; leave it out"}
			}
		case "Content-Type":
			c.ContentType = v.bindSingle(name, values)
		case "Content-Encoding":
			c.ContentEncoding = v.bindSingle(name, values)
		case "Forwarded":
			v.bindForwarded(values)
		case tracecontext.Header:
			request.TraceID = cmp.Or(request.TraceID, tracecontext.ID(r.Header))
		case methodOverride1, methodOverride2, methodOverride3:
			if err := checkOverrides(r, v.config.Headers); err != nil {
				return err
			}
		case ApprovalHeader:
			v.presents = true
			approval, err := presentedApproval(values)
			if err != nil {
				return err
			}
			request.ApprovalToken = cmp.Or(request.ApprovalToken, approval)
		default:
			if !isAlwaysBound(name) {
				continue
			}
			if values, err = v.config.hideAddresses(name, values); err != nil {
				return err
			}
			v.bindHeader(name, values)
		}
	}
	for _, name := range v.config.Headers {
		if values, ok := r.Header[name]; ok && !isAlwaysBound(name) {
			v.bindHeader(name, values)
		}
	}
	if received, _, _ := strings.Cut(r.RequestURI, "?"); received != c.Path && strings.HasPrefix(received, "/") {
		v.bindHeader(rawPath, []string{received})
	}
	v.bindBody(r)
	if request.HTTP == nil {
		request.HTTP = c
	}
	return nil
}

// bindBody binds the body, which is read only if the decider asks for it.
func (v *exchange) bindBody(r *http.Request) {
	if r.Context().Value(current.Unbound{}) != nil {
		v.call.BodyOmitted = true
		return
	}
	if v.body == nil {
		return
	}
	if v.body.length < 0 || len(r.Trailer) > 0 { // there may be trailers, which can be read after the end of the body
		v.body.ended = func() { v.bindTrailers(r.Trailer) }
	}
	v.call.GetBody = v.boundBody
}

// bindTrailers adds the trailers to the bound headers. It runs once, before GetBody
// returns the body for the first time.
func (v *exchange) bindTrailers(trailers http.Header) {
	for name, values := range trailers {
		if len(values) > 0 {
			v.bindHeader(trailerPrefix+name, values)
		}
	}
}

// bindForwarded binds the host and the scheme in the header Forwarded (RFC 7239). It omits
// for and by, which may differ when the caller sends the request again.
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

// bindSingle returns the value of a header that should occur once. If it occurs more often,
// all values are bound, because the handler may read any of them.
func (v *exchange) bindSingle(name string, values []string) string {
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

// presentedApproval returns the id of the approval that the request presents, or "" without a
// value of [ApprovalHeader]. There must be only one, and it must have the form of an id.
func presentedApproval(values []string) (string, error) {
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
