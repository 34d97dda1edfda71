package observe

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRange_ConformanceVectors_Agree(t *testing.T) {
	text, err := os.ReadFile("../../testdata/observability.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			Name, Kind string
			Input      struct{ Text string }
			Expected   struct {
				MS    int64
				Error bool
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	ran := 0
	for _, v := range file.Vectors {
		if v.Kind != "parse_time_range" {
			continue
		}
		ran++
		seconds, ok := parseRange(v.Input.Text)
		require.Equal(t, !v.Expected.Error, ok, v.Name)
		require.Equal(t, v.Expected.MS, seconds*1000, v.Name)
	}
	require.Equal(t, 4, ran)
}

func TestParseRange_ValidAndInvalidTexts_AreParsedOrRefused(t *testing.T) {
	for text, want := range map[string]int64{"1m": 60, "2h": 7200, "3d": 259200, "007d": 604800, "0": 0, "0d": 0, "000m": 0} {
		seconds, ok := parseRange(text)
		require.True(t, ok, text)
		require.Equal(t, want, seconds, text)
	}
	for _, text := range []string{"9223372036854775807m", "999999999999999999999h"} {
		seconds, ok := parseRange(text)
		require.True(t, ok, text)
		require.Positive(t, seconds, "the number does not overflow")
	}
	for _, text := range []string{"", "d", "1", "00", "1s", "1D", "1.5h", " 1h", "1h ", "+1h", "-1h", "1hh", "1h1m", "١h", "1h\n"} {
		_, ok := parseRange(text)
		require.False(t, ok, "%q", text)
	}
}
