package guard

import "github.com/farmountain/aureus-go/aureus"

// zoneLevel is the position of a zone from 1, and 0 for every other word. It is
// DataZone.Level where the compiler can inline it: it is asked for many of the held
// permissions of every decision.
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
