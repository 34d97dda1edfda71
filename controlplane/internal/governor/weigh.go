package governor

import (
	"bytes"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The memory that decoded JSON values take as maps, slices and interface values, in
// bytes. They are measured; see weigh_test.go. An object with one member is a map
// with room for eight entries.
const (
	objectCost = 512
	memberCost = 96 // an entry of a larger map, and its name
	valueCost  = 96 // an interface value, its data, and spare capacity of the slice
)

// maxWeight is larger than any result of Weigh, apart from the length of the text:
// the number of values in a text is limited, and a non-empty object counts as two.
const maxWeight = strictjson.MaxValues*(valueCost+memberCost+objectCost/2) + 4*valueCost

// Weigh estimates how many bytes of memory a JSON text takes when it is decoded. The
// estimate is higher than every measured value. It only counts punctuation, also
// inside strings, so it is fast and can only be too high.
func Weigh(text []byte) int64 {
	count := func(sign string, limit int) int64 { return int64(min(bytes.Count(text, []byte(sign)), limit)) }
	members := count(":", strictjson.MaxValues)
	values := min(1+count(",", strictjson.MaxValues)+count("[", strictjson.MaxValues)+count("{", strictjson.MaxValues), strictjson.MaxValues)
	objects := min(count("{", strictjson.MaxValues/2), members)
	return int64(len(text)) + values*valueCost + objects*objectCost + members*memberCost
}
