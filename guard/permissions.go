package guard

import (
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
)

// fit is how far a held permission goes towards a required one.
type fit uint8

const (
	fitNot        fit = iota // another action or resource
	fitIntent                // the intent does not fit
	fitZone                  // the data zone does not fit
	fitConditions            // a condition does not fit
	fitFully
)

// needs is a required permission with the action's own intent and data zone
// joined where it leaves them open (SPEC P8).
type needs struct {
	*aureus.Permission
	intent aureus.Intent
	zone   aureus.DataZone
}

func needsOf(action *aureus.Action, required *aureus.Permission) needs {
	n := needs{Permission: required, intent: required.Intent, zone: required.DataZone}
	if n.intent == "" {
		n.intent = action.Intent
	}
	if n.zone == "" {
		n.zone = action.DataZone
	}
	return n
}

// met says how well a held permission for the same action and resource meets
// the need (SPEC 3.2 with P7, P8).
func (n *needs) met(held *aureus.Permission, lenient bool) fit {
	switch {
	case n.intent == "" || n.intent == held.Intent:
	case held.Intent != "":
		return fitIntent
	case !lenient && (n.intent == aureus.IntentDelete || n.intent == aureus.IntentAdmin):
		return fitIntent
	}
	switch {
	case n.zone == "" || n.zone == held.DataZone:
	case held.DataZone != "":
		if zoneLevel(held.DataZone) < zoneLevel(n.zone) {
			return fitZone
		}
	case !lenient && zoneLevel(n.zone) >= zoneLevel(aureus.ZoneConfidential):
		return fitZone
	}
	if len(n.Conditions)|len(held.Conditions) > 0 && !conditionsMet(n.Conditions, held.Conditions) {
		return fitConditions
	}
	return fitFully
}

// best is the best fit among the held permissions, and which one has it.
func (n *needs) best(held []aureus.Permission, lenient bool) (best fit, at int) {
	for i := range held {
		if held[i].Resource != n.Resource || held[i].Action != n.Action {
			continue
		}
		if f := n.met(&held[i], lenient); f > best {
			if f == fitFully {
				return f, i
			}
			best, at = f, i
		}
	}
	return best, at
}

// lacks reports whether a required permission is held by none. It answers as
// best does, and is written out for speed: every decision asks it.
func lacks(request *aureus.Request, lenient bool) bool {
	held, required := request.Principal.Permissions, request.Action.RequiredPermissions
next:
	for i := range required {
		action, resource := required[i].Action, required[i].Resource
		for j := range held {
			h := &held[j]
			if !same(h.Resource, resource) || h.Action != action {
				continue
			}
			if n := needsOf(&request.Action, &required[i]); n.met(h, lenient) == fitFully {
				continue next
			}
		}
		return true
	}
	return false
}

// maxMissing bounds how many missing permissions a reason spells out.
const maxMissing = 3

// whatLacks names what is missing and why what is held does not do.
func whatLacks(request *aureus.Request, lenient bool) string {
	text := append(make([]byte, 0, 512), "missing permission: "...)
	missing := 0
	held, required := request.Principal.Permissions, request.Action.RequiredPermissions
	for i := range required {
		n := needsOf(&request.Action, &required[i])
		f, at := n.best(held, lenient)
		if f == fitFully {
			continue
		}
		missing++
		if missing > maxMissing {
			continue
		}
		if missing > 1 {
			text = append(text, "; "...)
		}
		text = appendName(text, n.Action)
		text = append(text, " on "...)
		text = appendName(text, n.Resource)
		switch f {
		case fitNot:
			text = append(text, " is not held"...)
		case fitIntent:
			text = appendOther(text, " is held, but for the intent ", " is held, but without an intent", string(held[at].Intent), string(n.intent))
		case fitZone:
			text = appendOther(text, " is held, but for the data zone ", " is held, but without a data zone", string(held[at].DataZone), string(n.zone))
		case fitFully: // not missing
		case fitConditions:
			name, restricts := unmetCondition(n.Conditions, held[at].Conditions)
			if restricts {
				text = append(text, " is held, but only under the condition "...)
				text = append(appendName(text, name), ", which the required permission does not name"...)
			} else {
				text = append(text, " is held, but does not meet the condition "...)
				text = appendName(text, name)
			}
		}
	}
	if missing > maxMissing {
		text = append(text, "; and "...)
		text = strconv.AppendInt(text, int64(missing-maxMissing), 10)
		text = append(text, " more"...)
	}
	return string(text)
}

func appendOther(text []byte, with, without, has, wants string) []byte {
	if has == "" {
		text = append(text, without...)
	} else {
		text = append(append(text, with...), has...)
	}
	return append(append(text, ", and needed for "...), wants...)
}

// same is a == b. Most names that are not equal differ in length or at the end, as
// in table-1 and table-2: looking there first saves most calls of the comparison.
func same(a, b string) bool {
	n := len(a)
	return n == len(b) && (n == 0 || a[n-1] == b[n-1]) && a == b
}
