package guard

import (
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
)

// invalid says what makes the request one that cannot be judged, and is empty
// for a good one: an id is missing, or a word for a tier, an intent or a zone
// is unknown, wherever it stands (SPEC P9).
func invalid(request *aureus.Request) string {
	action := &request.Action
	switch {
	case request.Principal.ID == "":
		return "/principal/id: is required; say who asks"
	case action.ID == "":
		return "/action/id: is required; say what is asked"
	case !action.RiskTier.Valid():
		return unknownWord("/action/risk_tier", string(action.RiskTier), "low, medium, high or critical")
	case action.Intent != "" && !knownIntent(action.Intent):
		return unknownWord("/action/intent", string(action.Intent), intents)
	case action.DataZone != "" && zoneLevel(action.DataZone) == 0:
		return unknownWord("/action/data_zone", string(action.DataZone), zones)
	}
	if problem := invalidPermissions("/action/required_permissions/", action.RequiredPermissions); problem != "" {
		return problem
	}
	return invalidPermissions("/principal/permissions/", request.Principal.Permissions)
}

const (
	intents = "read, write, delete, execute or admin"
	zones   = "public, internal, confidential or restricted"
)

func invalidPermissions(pointer string, permissions []aureus.Permission) string {
	for i := range permissions {
		p := &permissions[i]
		if p.Intent != "" && !knownIntent(p.Intent) {
			return unknownWordAt(pointer, i, "/intent", string(p.Intent), intents)
		}
		if p.DataZone != "" && zoneLevel(p.DataZone) == 0 {
			return unknownWordAt(pointer, i, "/data_zone", string(p.DataZone), zones)
		}
	}
	return ""
}

func unknownWord(pointer, word, words string) string {
	return string(appendUnknown(append(make([]byte, 0, 256), pointer...), word, words))
}

func unknownWordAt(pointer string, i int, name, word, words string) string {
	text := strconv.AppendInt(append(make([]byte, 0, 256), pointer...), int64(i), 10)
	return string(appendUnknown(append(text, name...), word, words))
}

func appendUnknown(text []byte, word, words string) []byte {
	text = append(text, ": must be "...)
	text = append(text, words...)
	return appendName(append(text, ", not "...), word)
}

// knownIntent is Intent.Valid where the compiler can inline it, as zoneLevel is
// DataZone.Level: they are asked for every held permission of every decision.
func knownIntent(intent aureus.Intent) bool {
	switch intent {
	case aureus.IntentRead, aureus.IntentWrite, aureus.IntentDelete, aureus.IntentExecute, aureus.IntentAdmin:
		return true
	}
	return false
}

// zoneLevel is the position of a zone from 1, and 0 for every other word.
func zoneLevel(zone aureus.DataZone) int {
	switch zone {
	case aureus.ZonePublic:
		return 1
	case aureus.ZoneInternal:
		return 2
	case aureus.ZoneConfidential:
		return 3
	case aureus.ZoneRestricted:
		return 4
	}
	return 0
}
