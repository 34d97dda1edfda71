package contract

import (
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// introduction is the description of the whole API.
const introduction = `The published Aureus API, as its Python client uses it, and the extensions of this server, each on a path of its own.

- **Null is absent.** An optional field may be null, at any depth. Inside free-form values (fields without a type, and objects without declared fields) null is a value, and numbers keep all their digits.
- **Responses are JSON** unless the path says otherwise: never empty, never a redirect, errors included. Fields may be added; ignore those that you do not know.
- **Lists are arrays.** A list takes ` + "`limit` and `cursor`; the header `Link`" + ` has the address of the next page, relative to that of this page.
- **Unknown parameters are refused**: a parameter of the query that the path does not know, or that occurs twice, is answered with 400.
- **A success is durable** before it is answered.
- **Denials and failed gates are successful responses** with status 200, not errors.
- **Unclean paths**, with an empty or a dotted segment, are answered with 404.
- **Bodies** have at most 4 MiB, on batch paths 64 MiB, and are nested at most 100 levels deep. They may be sent with ` + "`Content-Encoding: gzip`" + `; responses of 4 KiB and more are compressed for clients that accept it. A member that occurs twice, or whose name differs from a declared one only in case, is refused.`

type tag struct{ name, text string }

// tags lists the groups of operations.
var tags = []tag{
	{"Policy", "May this principal do this action?"},
	{"Approvals", "A person decides on an action of high or critical risk."},
	{"CRV", "Commit, reason, verify: validators check a change before it is made."},
	{"Observability", "Telemetry: events, metrics, spans."},
	{"Audit", "Who decided what, in a chain of hashes."},
	{"Stream", "Events, decisions and approvals as they happen."},
	{"Workflows", "Runs of workflows, task by task, under the policy."},
	{"Health", "For the operators of the server."},
}

// head returns the members of the document that come before the paths.
func head() object {
	var groups list
	for _, tag := range tags {
		groups = append(groups, object{{"name", tag.name}, {"description", tag.text}})
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", "Aureus control plane"},
			{"version", "1.0.0"},
			{"summary", "Decisions, approvals, validation and telemetry for agents and services."},
			{"description", introduction},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"servers", list{object{{"url", "http://localhost:3000"}, {"description", "The default address of the server."}}}},
		{"security", list{object{{"key", list{}}}}},
		{"tags", groups},
	}
}

func securitySchemes() object {
	return object{{"key", object{
		{"type", "http"},
		{"scheme", "bearer"},
		{"description", "An API key, made with `aureus keys add`. It belongs to one tenant and gives access to nothing of another one. " +
			"`x-role` of an operation is the least role that may call it: service, operator, admin, or none where no key is needed. " +
			"In development mode, only operations for the role operator need a key."},
	}}}
}

// commonParameters returns the headers that every request may have.
func commonParameters() object {
	return object{
		{"IdempotencyKey", object{
			{"name", "Idempotency-Key"},
			{"in", "header"},
			{"description", "1 to 255 printable ASCII characters that the client chooses, one for each thing to be done. A request that is repeated with the same key " +
				"within ten minutes gets the first response again, and nothing is done twice. Responses are stored by caller, method, path and key, across restarts."},
			{"schema", object{{"type", "string"}, {"minLength", 1}, {"maxLength", 255}}},
		}},
		{"RequestID", object{
			{"name", "X-Request-Id"},
			{"in", "header"},
			{"description", "An id for the request: 1 to 64 letters, digits, `-`, `_` and `.`. Without it, the server makes one."},
			{"schema", object{{"type", "string"}}},
		}},
	}
}

// commonHeaders returns the response headers that several operations or error responses
// have.
func commonHeaders() (all object) {
	for _, header := range []struct{ name, kind, text string }{
		{"RequestID", "string", "The id of the request."},
		{"Link", "string", `The address of the next page as ` + "`<?…>; rel=\"next\"`" + ` (RFC 8288), relative to that of this page; absent on the last page.`},
		{"RetryAfter", "integer", "Seconds to wait before the next attempt."},
		{"WWWAuthenticate", "string", "The scheme to authenticate with: Bearer."},
		{"Replayed", "string", "`true` where this is the response to the first request with this Idempotency-Key, sent again."},
		{"AcceptEncoding", "string", "The encodings that the server accepts."},
	} {
		all = append(all, member{header.name, object{{"description", header.text}, {"schema", object{{"type", header.kind}}}}})
	}
	return all
}

// errorResponse is an error response of the operations for which of returns true.
type errorResponse struct {
	status     int
	name, text string
	header     string // a header that it may have besides X-Request-Id; may be empty
	of         func(method, path string, route web.Route) bool
}

var errorResponses = []errorResponse{
	{400, "BadRequest", "The body is not JSON, a parameter of the query or a header has a wrong form, or the query has a parameter that the path does not know.", "", always},
	{401, "Unauthorized", "There is no key, or it is not valid.", "WWW-Authenticate", needsKey},
	{403, "Forbidden", "The role of the key is not sufficient, or the key may not speak for the principal.", "", always},
	{404, "NotFound", "It does not exist, or this key may not see it.", "", func(_, path string, route web.Route) bool {
		return strings.Contains(path, "{id}") || route.Doc.NotFound
	}},
	{408, "TooSlow", "The body was sent too slowly. The connection is closed.", "", changes},
	{409, "Conflict", "The state does not allow it, or a request with the same Idempotency-Key has not ended.", "Retry-After", changes},
	{412, "Precondition", "What is in force is not what the If-Match names.", "", func(_, _ string, route web.Route) bool { return route.Doc.Precondition }},
	{413, "TooLarge", "The body, or the number of its items, is above the limit.", "", changes},
	{415, "MediaType", "The Content-Encoding is not gzip; in development mode also: the Content-Type is neither JSON nor application/yaml.", "Accept-Encoding", changes},
	{
		422, "Invalid", "The body is JSON of another shape, or a value in it is not allowed; details lists every problem. Also: the Idempotency-Key was used for another body.", "",
		func(method, path string, route web.Route) bool {
			return changes(method, path, route) || route.Doc.Unprocessable
		},
	},
	{429, "TooMany", "A limit of rate, size or number is reached. Try again later.", "Retry-After", needsKey},
	{500, "Internal", "The server failed; its log has the reason under the request id.", "", always},
	{503, "Unavailable", "The server cannot answer now, because of its store, its load or because it is being stopped. Nothing was changed.", "Retry-After", always},
}

func always(string, string, web.Route) bool { return true }

func needsKey(_, _ string, route web.Route) bool { return !route.Public }

// changes reports whether the method is not GET: such a request may have a body and an
// Idempotency-Key.
func changes(method, _ string, _ web.Route) bool { return method != http.MethodGet }
