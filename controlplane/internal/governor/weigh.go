package governor

import (
	"bytes"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// What values of a JSON text take in memory once they are decoded into maps,
// slices and interface values: measured, see TestWeigh. An object with one member
// is a map with a whole group of eight entries.
const (
	objectCost = 512
	memberCost = 96 // the entry in a larger map, and the name
	valueCost  = 96 // the interface value, what it points at, and the growth of a slice
)

// maxWeight is more than Weigh can be: an object that is not empty is two
// values, and a text has a bounded number of values.
const maxWeight = strictjson.MaxValues*(valueCost+memberCost+objectCost/2) + 4*valueCost

// Weigh is about how many bytes a JSON text takes once it is decoded, beside the
// text: more than measured for any shape that was tried. It counts signs, also
// those that stand in strings, so that it costs little and can only be too high.
func Weigh(text []byte) int64 {
	count := func(sign string, limit int) int64 { return int64(min(bytes.Count(text, []byte(sign)), limit)) }
	members := count(":", strictjson.MaxValues)
	values := min(1+count(",", strictjson.MaxValues)+count("[", strictjson.MaxValues)+count("{", strictjson.MaxValues), strictjson.MaxValues)
	objects := min(count("{", strictjson.MaxValues/2), members)
	return int64(len(text)) + values*valueCost + objects*objectCost + members*memberCost
}
