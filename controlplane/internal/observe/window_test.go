package observe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWindow_BeyondItsLimits_DropsTheOldestItems(t *testing.T) {
	var w window[auditEvent]
	of := func(e auditEvent) (int64, int) { return e.sequence, len(e.text) }
	for i := range 3 * maxWindow {
		w.add([]auditEvent{{sequence: int64(i + 1)}}, int64(i+1), of)
	}
	require.Len(t, w.items, maxWindow)
	require.EqualValues(t, 2*maxWindow, w.from)
	require.EqualValues(t, 3*maxWindow, w.to)
	large := make([]byte, maxWindowBytes/2)
	w.add([]auditEvent{{sequence: 1e6, text: large}, {sequence: 1e6 + 1, text: large}, {sequence: 1e6 + 2, text: large}}, 1e6+2, of)
	require.Len(t, w.items, 2)
	require.Equal(t, int64(1_000_000), w.from)
	require.Equal(t, maxWindowBytes, w.bytes)
}
