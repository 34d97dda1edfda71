package guard

import "github.com/farmountain/aureus-go/aureus"

// zoneLevel returns the sensitivity of a zone, from 1 for public to 4 for
// restricted, and 0 for any other text. It does the same as DataZone.Level, but the
// compiler inlines it. A decision calls it for many of the held permissions.
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
