package middleware

import (
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// ApprovalHeader is the request header in which an approval is presented again:
// the id of the approval, as the answer that asked for it gave it. It is a hint
// to decide anew and grants nothing by itself.
const ApprovalHeader = "Aureus-Approval"

// rawPath is the name, in HTTPCall.Headers, under which the path is bound as it
// came where something in front of the guard has rewritten it. It is the name
// that HTTP/2 has for the path, and cannot be a header's.
const rawPath = ":path"

// bind is what an approval of the request binds (SPEC P2).
func (v *visit) bind(r *http.Request, headers []string) *aureus.HTTPCall {
	c := &v.call
	c.Method, c.Host, c.Path, c.Query = r.Method, r.Host, r.URL.EscapedPath(), r.URL.RawQuery
	c.ContentType = v.bindSingle(r, "Content-Type")
	c.ContentEncoding = v.bindSingle(r, "Content-Encoding")
	for _, name := range headers {
		if values, ok := r.Header[name]; ok {
			v.bindHeader(name, values)
		}
	}
	if came, _, _ := strings.Cut(r.RequestURI, "?"); came != c.Path && strings.HasPrefix(came, "/") {
		v.bindHeader(rawPath, []string{came})
	}
	if v.body.src != nil {
		c.GetBody = v.body.all
	}
	return c
}

// bindSingle is the value of a header that should occur once. More than one are
// bound all, since the handler may read any of them.
func (v *visit) bindSingle(r *http.Request, name string) string {
	values := r.Header[name]
	if len(values) == 0 {
		return ""
	}
	if len(values) > 1 {
		v.bindHeader(name, values)
	}
	return values[0]
}

func (v *visit) bindHeader(name string, values []string) {
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
	case !aureus.IsApprovalID(values[0]):
		return "", &Invalid{Reason: ApprovalHeader + " must be the id of an approval: apr_ and 26 characters"}
	}
	return values[0], nil
}
