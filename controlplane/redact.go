package controlplane

import (
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// redacted stands where a secret stood.
const redacted = "[REDACTED]"

// secretWords make a name a secret's when one of them is in it, whatever the
// case and with or without _ and - (SPEC 7). The last two are ours.
var secretWords = []string{
	"password", "passwd", "pwd", "secret", "token", "apikey", "accesstoken", "privatekey", "credentials", "auth",
	"cookie", "credential",
}

var withoutMarks = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

func isSecretName(name string) bool {
	name = withoutMarks.Replace(strings.ToLower(name))
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// redactor hides secrets in what an approver is shown and the store keeps, and
// notes where, by JSON pointers. What it is given stays unchanged. It goes by
// names: a secret under an innocent name is shown, and arguments named after a
// secret are hidden whole.
type redactor struct{ pointers []string }

// approval hides what the request's free-form parts hold.
func (r *redactor) approval(a *aureus.Approval) {
	a.Action.Metadata = r.object("/action/metadata", a.Action.Metadata)
	a.Action.RequiredPermissions = r.permissions("/action/required_permissions", a.Action.RequiredPermissions)
	a.Principal.Permissions = r.permissions("/principal/permissions", a.Principal.Permissions)
	a.Arguments = r.value("/arguments", a.Arguments)
	if a.HTTP != nil {
		a.HTTP = r.call(*a.HTTP)
	}
	slices.Sort(r.pointers)
	a.Redacted = r.pointers
}

func (r *redactor) permissions(at string, permissions []aureus.Permission) []aureus.Permission {
	permissions = slices.Clone(permissions)
	for i, p := range permissions {
		permissions[i].Conditions = r.object(at+"/"+strconv.Itoa(i)+"/conditions", p.Conditions)
	}
	return permissions
}

func (r *redactor) object(at string, object map[string]any) map[string]any {
	if object == nil {
		return nil
	}
	clean := make(map[string]any, len(object))
	for name, value := range object {
		at := at + "/" + strictjson.Token(name)
		if value != nil && isSecretName(name) {
			r.pointers = append(r.pointers, at)
			clean[name] = redacted
			continue
		}
		clean[name] = r.value(at, value)
	}
	return clean
}

func (r *redactor) value(at string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		return r.object(at, value)
	case []any:
		clean := make([]any, len(value))
		for i, item := range value {
			clean[i] = r.value(at+"/"+strconv.Itoa(i), item)
		}
		return clean
	default:
		return value
	}
}

func (r *redactor) call(call aureus.HTTPCall) *aureus.HTTPCall {
	call.Query = r.form("/http/query", call.Query)
	headers := make(map[string][]string, len(call.Headers))
	for name, values := range call.Headers {
		if isSecretName(name) {
			r.pointers = append(r.pointers, "/http/headers/"+strictjson.Token(name))
			values = []string{redacted}
		}
		headers[name] = values
	}
	call.Headers = headers
	kind, _, err := mime.ParseMediaType(call.ContentType)
	switch {
	case call.ContentEncoding != "" || len(call.Body) == 0:
	case err == nil && kind == "application/x-www-form-urlencoded":
		call.Body = aureus.Body(r.form("/http/body", string(call.Body)))
	default:
		call.Body = r.body(call.Body)
	}
	return &call
}

// body hides secrets in a body that is JSON, whatever its content type says.
// One without secrets stays byte for byte as it was sent.
func (r *redactor) body(body aureus.Body) aureus.Body {
	value, err := strictjson.Parse(body)
	if err != nil {
		return body
	}
	before := len(r.pointers)
	clean, err := strictjson.Marshal(r.value("/http/body", value))
	if err != nil || len(r.pointers) == before {
		return body
	}
	return clean
}

// form hides values in the text of a query or a form, in place.
func (r *redactor) form(at, text string) string {
	if text == "" {
		return text
	}
	pairs := strings.Split(text, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if value != "" && isSecretName(plain) {
			r.pointers = append(r.pointers, at+"/"+strictjson.Token(plain))
			pairs[i] = name + "=" + redacted
		}
	}
	return strings.Join(pairs, "&")
}
