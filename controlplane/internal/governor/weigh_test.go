package governor

import (
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// For the shapes that take the most memory, the estimate is higher than the memory
// that the decoded value takes.
func TestWeigh_WorstShapes_ExceedDecodedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	list := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	for name, text := range map[string]string{
		"numbers":                   list("0", 100_000),
		"large numbers":             list("1e99", 100_000),
		"empty texts":               list(`""`, 100_000),
		"empty arrays":              list("[]", 100_000),
		"empty objects":             list("{}", 100_000),
		"objects with one member":   list(`{"":0}`, 50_000),
		"objects with nine members": list(`{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0}`, 10_000),
		"objects in objects":        list(strings.Repeat(`{"":`, 20)+"0"+strings.Repeat("}", 20), 2_000),
		"arrays in arrays":          list(strings.Repeat("[", 20)+strings.Repeat("]", 20), 2_000),
		"one long text":             `"` + strings.Repeat("x", 1<<20) + `"`,
		"escaped text":              `"` + strings.Repeat(`\n`, 1<<19) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			took := int64(math.MaxInt64)
			for range 5 { // what the rest of the process allocates meanwhile only adds
				took = min(took, decodedMemory(t, text))
			}
			t.Logf("%d bytes of text take %d decoded (%.1f a byte); weight %d", len(text), took, float64(took)/float64(len(text)), Weigh([]byte(text)))
			require.Less(t, took, Weigh([]byte(text)))
			require.LessOrEqual(t, Weigh([]byte(text)), int64(len(text)+maxWeight))
		})
	}
}

// decodedMemory measures the heap that the decoded text takes, in bytes.
func decodedMemory(t *testing.T, text string) int64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	value, err := strictjson.Parse([]byte(text))
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(value)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

func TestWeigh_ManySigns_IsLimited(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat(`{":,[`, 1<<20))
	require.LessOrEqual(t, Weigh(text), int64(len(text)+maxWeight))
}
