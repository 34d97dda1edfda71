package guard

import (
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
)

// match is the result of comparing a held permission with a required one. The checks
// are made in the order of the constants; a larger value means that more checks
// succeeded.
type match uint8

const (
	noMatch           match = iota // another action or another resource
	intentDiffers                  // the held intent does not cover the required one
	zoneDiffers                    // the held data zone does not cover the required one
	conditionsDiffers              // a condition does not match
	fullMatch
)

// requirement is a required permission. If the permission has no intent or no data zone,
// those of the action apply.
type requirement struct {
	*aureus.Permission
	intent aureus.Intent
	zone   aureus.DataZone
}

func requirementOf(action *aureus.Action, required *aureus.Permission) requirement {
	r := requirement{Permission: required, intent: required.Intent, zone: required.DataZone}
	if r.intent == "" {
		r.intent = action.Intent
	}
	if r.zone == "" {
		r.zone = action.DataZone
	}
	return r
}

// match compares a held permission for the same action and resource. A held
// intent must equal the required one. A held data zone covers itself and every
// less sensitive zone. A held permission without an intent or a data zone covers
// every required one if lenient is true. If it is false, such a permission covers
// neither the intents delete and admin nor the zones confidential and restricted.
// The conditions must match. See docs/spec/policy.md#permissions.
func (r *requirement) match(held *aureus.Permission, lenient bool) match {
	switch {
	case r.intent == "" || r.intent == held.Intent:
	case held.Intent != "":
		return intentDiffers
	case !lenient && (r.intent == aureus.IntentDelete || r.intent == aureus.IntentAdmin):
		return intentDiffers
	}
	switch {
	case r.zone == "" || r.zone == held.DataZone:
	case held.DataZone != "":
		if zoneLevel(held.DataZone) < zoneLevel(r.zone) {
			return zoneDiffers
		}
	case !lenient && zoneLevel(r.zone) >= zoneLevel(aureus.ZoneConfidential):
		return zoneDiffers
	}
	if len(r.Conditions)|len(held.Conditions) > 0 && !conditionsMet(r.Conditions, held.Conditions) {
		return conditionsDiffers
	}
	return fullMatch
}

// bestMatch returns the best match among the held permissions, and its index.
func (r *requirement) bestMatch(held []aureus.Permission, lenient bool) (best match, index int) {
	for i := range held {
		if held[i].Resource != r.Resource || held[i].Action != r.Action {
			continue
		}
		if m := r.match(&held[i], lenient); m > best {
			if m == fullMatch {
				return m, i
			}
			best, index = m, i
		}
	}
	return best, index
}

// lacksPermission reports whether the principal lacks a required permission. It
// gives the same result as calling bestMatch for each required permission, but is
// faster; every decision calls it.
func lacksPermission(request *aureus.Request, lenient bool) bool {
	held, required := request.Principal.Permissions, request.Action.RequiredPermissions
next:
	for i := range required {
		action, resource := required[i].Action, required[i].Resource
		for j := range held {
			h := &held[j]
			if !equalNames(h.Resource, resource) || h.Action != action {
				continue
			}
			if r := requirementOf(&request.Action, &required[i]); r.match(h, lenient) == fullMatch {
				continue next
			}
		}
		return true
	}
	return false
}

// maxMissing is the maximum number of missing permissions that a reason describes. Of
// the others it only gives the number.
const maxMissing = 3

// describeMissing returns the reason for a denial: the missing permissions and, if a
// held permission matches in part, what differs.
func describeMissing(request *aureus.Request, lenient bool) string {
	text := append(make([]byte, 0, 512), "missing permission: "...)
	missing := 0
	held, required := request.Principal.Permissions, request.Action.RequiredPermissions
	for i := range required {
		r := requirementOf(&request.Action, &required[i])
		best, index := r.bestMatch(held, lenient)
		if best == fullMatch {
			continue
		}
		missing++
		if missing > maxMissing {
			continue
		}
		if missing > 1 {
			text = append(text, "; "...)
		}
		text = appendName(text, r.Action)
		text = append(text, " on "...)
		text = appendName(text, r.Resource)
		switch best {
		case noMatch:
			text = append(text, " is not held"...)
		case intentDiffers:
			text = appendDifference(text, " is held, but for the intent ", " is held, but without an intent", string(held[index].Intent), string(r.intent))
		case zoneDiffers:
			text = appendDifference(text, " is held, but for the data zone ", " is held, but without a data zone", string(held[index].DataZone), string(r.zone))
		case fullMatch: // not missing
		case conditionsDiffers:
			name, onlyHeld := unmetCondition(r.Conditions, held[index].Conditions)
			if onlyHeld {
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

// appendDifference appends what is held and what is required. The text with introduces
// the held value. If nothing is held, the text without replaces both.
func appendDifference(text []byte, with, without, held, required string) []byte {
	if held == "" {
		text = append(text, without...)
	} else {
		text = append(append(text, with...), held...)
	}
	return append(append(text, ", and needed for "...), required...)
}

// equalNames returns a == b. Most names that are not equal differ in length or in the
// last byte, as table-1 and table-2 do, so it compares these first.
func equalNames(a, b string) bool {
	n := len(a)
	return n == len(b) && (n == 0 || a[n-1] == b[n-1]) && a == b
}
