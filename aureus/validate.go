package aureus

import (
	"strconv"

	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// What a request may hold, beside the body of an HTTP call: so much of it as JSON
// that a control plane takes it, and that the approvals made of it can be read.
const (
	maxRequestValues = 250_000
	maxRequestBytes  = 4_000_000
	maxRequestDepth  = 98 // two levels less than JSON may have here: answers hold it within an approval
)

// Validate says what keeps the request from being decided about: the error's text
// begins with the JSON pointer (RFC 6901) of the wrong value, such as /action/id,
// and the error matches [ErrInvalid]. nil is a request to which the answer depends
// on the policy alone. Every decision point asks it first, in this process and in the control
// plane, so that both refuse the same requests:
//
//   - the ids of the principal and of the action are there;
//   - risk tier, intents and data zones are words of their types, in lower case;
//   - the ids of the principal, of the one it acts for, of the action, the workflow
//     and the task, and the names of tools are at most 1,024 bytes of visible
//     characters and plain spaces, without a space at either end;
//   - the action's name, the principal's type, and the actions and resources of
//     permissions are at most 1,024 bytes without control and format characters;
//   - arguments, metadata and conditions have a JSON form (NaN, channels, functions
//     and values that hold themselves have none), nested at most 98 levels deep
//     where they stand in the request;
//   - all texts are valid UTF-8;
//   - all of it together is at most 250,000 JSON values and 4,000,000 bytes, the
//     body of an HTTP call not counted.
//
// It changes nothing, reads no body, and does not allocate for a good request
// whose values are those that decoding JSON gives.
func (r *Request) Validate() error {
	action := &r.Action
	switch {
	case r.Principal.ID == "":
		return invalidAt("/principal/id", "is required; say who asks")
	case action.ID == "":
		return invalidAt("/action/id", "is required; say what is asked")
	case !action.RiskTier.Valid():
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

// knownZone is DataZone.Valid where it is quick.
func knownZone(zone DataZone) bool {
	switch zone {
	case ZonePublic, ZoneInternal, ZoneConfidential, ZoneRestricted:
		return true
	}
	return false
}

// plainNames reports whether the names that are no permission's are plain ASCII,
// as most are, so that nothing else has to be looked at.
func (r *Request) plainNames() bool {
	a := &r.Action
	return nametext.Plain(r.Principal.ID, a.ID) && nametext.Trimmed(r.Principal.ID) && nametext.Trimmed(a.ID) &&
		nametext.Plain(r.Principal.Type, a.Name) &&
		(r.Tool == "" && r.OnBehalfOf == "" || nametext.Plain(r.Tool, r.OnBehalfOf) && nametext.Trimmed(r.Tool) && nametext.Trimmed(r.OnBehalfOf)) &&
		(r.WorkflowID == "" && r.TaskID == "" || nametext.Plain(r.WorkflowID, r.TaskID) && nametext.Trimmed(r.WorkflowID) && nametext.Trimmed(r.TaskID)) &&
		(r.TraceID == "" || nametext.Plain(r.TraceID, "") && nametext.Trimmed(r.TraceID)) &&
		(r.ApprovalToken == "" || nametext.Plain(r.ApprovalToken, ""))
}

// validateNames looks at the names that are no permission's.
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

// invalidIn is invalidAt for a member of item i of the list at pointer.
func invalidIn(pointer string, i int, member, reason string) error {
	return invalidAt(pointer+strconv.Itoa(i)+member, reason)
}

func unknownWord(pointer, word, words string) error {
	return unknownWordAt(append(make([]byte, 0, 256), pointer...), word, words)
}

// unknownWordIn is unknownWord for a member of item i of the list at pointer.
func unknownWordIn(pointer string, i int, member, word, words string) error {
	text := strconv.AppendInt(append(make([]byte, 0, 256), pointer...), int64(i), 10)
	return unknownWordAt(append(text, member...), word, words)
}

// unknownWordAt allocates twice: a denial is to cost little.
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

const maxWordShown = 64 // bytes of a caller's word in a reason
