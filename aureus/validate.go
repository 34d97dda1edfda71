package aureus

import (
	"strconv"

	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// The limits of a request without the body of its HTTP call. The control plane accepts
// a request within them, and a client can read the approval that contains it.
const (
	maxRequestValues = 250_000
	maxRequestBytes  = 4_000_000
	maxRequestDepth  = 98 // two levels less than a response may have: one holds the request inside an approval
)

// Validate returns an error for a request that cannot be decided. The text of the error
// begins with the JSON pointer (RFC 6901) of the wrong value, such as /action/id, and the
// error matches [ErrInvalid]. guard.Local and the control plane both call Validate first,
// so that they refuse the same requests. It requires that
//
//   - the principal has an id, and the request names an action: by its id, a route or a
//     tool;
//   - risk tier, intents and data zones are words of their types, in lower case; a risk
//     tier may be absent, but then only a policy bundle can allow the request;
//   - the ids of Principal, OnBehalfOf, Action, WorkflowID, TaskID and TraceID, and the
//     names of tools, have at most 1,024 bytes, visible characters and spaces only, and
//     no space at either end;
//   - the action's name, the principal's type, and the actions and resources of
//     permissions, and the route, have at most 1,024 bytes and no control or format
//     characters;
//   - arguments, claims, metadata and conditions have a JSON form (NaN, channels, functions
//     and values that contain themselves have none) and are nested at most 98 levels
//     deep, counted from the top of the request;
//   - all texts are valid UTF-8;
//   - the request has at most 250,000 JSON values and 4,000,000 bytes as JSON, without
//     the body of its HTTP call.
//
// Validate changes nothing and reads no body. It does not allocate for a valid request
// whose free-form values have the types that decoding JSON gives.
func (r *Request) Validate() error {
	action := &r.Action
	switch {
	case r.Principal.ID == "":
		return invalidAt("/principal/id", "is required: the id of the principal that asks")
	case action.ID == "" && r.Route == "" && r.Tool == "":
		return invalidAt("/action/id", "is required: the id of the action")
	case action.RiskTier != "" && !action.RiskTier.Valid():
		return unknownWord("/action/risk_tier", string(action.RiskTier), "low, medium, high or critical")
	case action.Intent != "" && !action.Intent.Valid():
		return unknownWord("/action/intent", string(action.Intent), intentsAre)
	case action.DataZone != "" && !knownZone(action.DataZone):
		return unknownWord("/action/data_zone", string(action.DataZone), zonesAre)
	}
	var all extent
	if err := r.validateNames(&all); err != nil {
		return err
	}
	if err := validatePermissions("/action/required_permissions/", action.RequiredPermissions, &all); err != nil {
		return err
	}
	if err := validatePermissions("/principal/permissions/", r.Principal.Permissions, &all); err != nil {
		return err
	}
	if len(action.Metadata) > 0 {
		if err := all.object("/action/metadata", action.Metadata, 2); err != nil {
			return err
		}
	}
	if len(r.Principal.Claims) > 0 {
		if err := all.object("/principal/claims", r.Principal.Claims, 2); err != nil {
			return err
		}
	}
	if r.Arguments != nil {
		if err := all.free("/arguments", r.Arguments, 1); err != nil {
			return err
		}
	}
	if r.HTTP != nil {
		if err := r.HTTP.validate(&all); err != nil {
			return err
		}
	}
	return all.withinBounds()
}

const (
	intentsAre = "read, write, delete, execute or admin"
	zonesAre   = "public, internal, confidential or restricted"
)

// knownZone is DataZone.Valid without a loop.
func knownZone(zone DataZone) bool {
	switch zone {
	case ZonePublic, ZoneInternal, ZoneConfidential, ZoneRestricted:
		return true
	}
	return false
}

// plainNames reports whether all names outside of permissions are plain ASCII, and so
// valid. It is a fast path: most names are.
func (r *Request) plainNames() bool {
	a := &r.Action
	return nametext.Plain(r.Principal.ID, a.ID) && nametext.Trimmed(r.Principal.ID) && nametext.Trimmed(a.ID) &&
		nametext.Plain(r.Principal.Type, a.Name) &&
		(r.Tool == "" && r.OnBehalfOf == "" || nametext.Plain(r.Tool, r.OnBehalfOf) && nametext.Trimmed(r.Tool) && nametext.Trimmed(r.OnBehalfOf)) &&
		(r.WorkflowID == "" && r.TaskID == "" || nametext.Plain(r.WorkflowID, r.TaskID) && nametext.Trimmed(r.WorkflowID) && nametext.Trimmed(r.TaskID)) &&
		(r.Route == "" || nametext.Plain(r.Route, "")) &&
		(r.TraceID == "" || nametext.Plain(r.TraceID, "") && nametext.Trimmed(r.TraceID)) &&
		(r.ApprovalToken == "" || nametext.Plain(r.ApprovalToken, ""))
}

// validateNames checks the names outside of permissions.
func (r *Request) validateNames(all *extent) error {
	if !r.plainNames() {
		for _, name := range [...]struct {
			pointer, text string
			problem       func(string) string
		}{
			{"/principal/id", r.Principal.ID, nametext.Identifier},
			{"/principal/type", r.Principal.Type, nametext.Label},
			{"/action/id", r.Action.ID, nametext.Identifier},
			{"/action/name", r.Action.Name, nametext.Label},
			{"/tool_name", r.Tool, nametext.Identifier},
			{"/on_behalf_of", r.OnBehalfOf, nametext.Identifier},
			{"/workflow_id", r.WorkflowID, nametext.Identifier},
			{"/task_id", r.TaskID, nametext.Identifier},
			{"/trace_id", r.TraceID, nametext.Identifier},
			{"/route", r.Route, nametext.Label},
			{"/approval_token", r.ApprovalToken, nametext.Label},
		} {
			if problem := name.problem(name.text); problem != "" {
				return invalidAt(name.pointer, problem)
			}
		}
	}
	all.values += len(r.Action.AllowedTools) + len(r.Volatile)
	for i, tool := range r.Action.AllowedTools {
		all.bytes += len(tool)
		if nametext.Plain(tool, "") && nametext.Trimmed(tool) {
			continue
		}
		if problem := nametext.Identifier(tool); problem != "" {
			return invalidAt("/action/allowed_tools/"+strconv.Itoa(i), problem)
		}
	}
	for i, pointer := range r.Volatile {
		if problem := nametext.Label(pointer); problem != "" {
			return invalidAt("/volatile/"+strconv.Itoa(i), problem)
		}
	}
	return nil
}

func validatePermissions(pointer string, permissions []Permission, all *extent) error {
	all.values += 4 * len(permissions)
	for i := range permissions {
		p := &permissions[i]
		all.bytes += len(p.Action) + len(p.Resource)
		if !nametext.Plain(p.Action, p.Resource) {
			if problem := nametext.Label(p.Action); problem != "" {
				return invalidIn(pointer, i, "/action", problem)
			}
			if problem := nametext.Label(p.Resource); problem != "" {
				return invalidIn(pointer, i, "/resource", problem)
			}
		}
		switch {
		case p.Intent != "" && !p.Intent.Valid():
			return unknownWordIn(pointer, i, "/intent", string(p.Intent), intentsAre)
		case p.DataZone != "" && !knownZone(p.DataZone):
			return unknownWordIn(pointer, i, "/data_zone", string(p.DataZone), zonesAre)
		case len(p.Conditions) > 0:
			if problem := all.members(p.Conditions, 4); problem != nil {
				return problem.at(pointer + strconv.Itoa(i) + "/conditions")
			}
		}
	}
	return nil
}

func invalidAt(pointer, reason string) error {
	return &invalidrequest.Error{Pointer: pointer, Reason: reason}
}

// invalidIn is invalidAt for a member of item i of a list, whose pointer ends in a
// slash.
func invalidIn(pointer string, i int, member, reason string) error {
	return invalidAt(pointer+strconv.Itoa(i)+member, reason)
}

func unknownWord(pointer, word, words string) error {
	return unknownWordAt(append(make([]byte, 0, 256), pointer...), word, words)
}

// unknownWordIn is unknownWord for a member of item i of a list, whose pointer ends in a
// slash.
func unknownWordIn(pointer string, i int, member, word, words string) error {
	text := strconv.AppendInt(append(make([]byte, 0, 256), pointer...), int64(i), 10)
	return unknownWordAt(append(text, member...), word, words)
}

// unknownWordAt makes the error with two allocations, so that a denial costs little.
func unknownWordAt(pointer []byte, word, words string) error {
	n := len(pointer)
	text := append(append(pointer, ": must be "...), words...)
	cut := word
	if len(word) > maxWordShown {
		cut = word[:maxWordShown]
	}
	text = strconv.AppendQuoteToASCII(append(text, ", not "...), cut)
	if len(cut) < len(word) {
		text = append(text, "…"...)
	}
	whole := string(text)
	return &invalidrequest.Error{Pointer: whole[:n], Reason: whole[n+len(": "):], Text: whole}
}

const maxWordShown = 64 // bytes of the request's word that the reason repeats
