package tracecontext_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/tracecontext"
)

func TestID_Traceparent_IsParsedStrictly(t *testing.T) {
	t.Parallel()
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for name, row := range map[string]struct {
		values []string
		want   string
	}{
		"none":                      {nil, ""},
		"well formed":               {[]string{"00-" + trace + "-" + parent + "-01"}, trace},
		"a later version":           {[]string{"01-" + trace + "-" + parent + "-01-more"}, trace},
		"more after version 0":      {[]string{"00-" + trace + "-" + parent + "-01-more"}, ""},
		"more without a dash":       {[]string{"01-" + trace + "-" + parent + "-01more"}, ""},
		"the version ff":            {[]string{"ff-" + trace + "-" + parent + "-01"}, ""},
		"twice":                     {[]string{"00-" + trace + "-" + parent + "-01", "00-" + trace + "-" + parent + "-01"}, ""},
		"upper case":                {[]string{"00-4BF92F3577B34DA6A3CE929D0E0E4736-" + parent + "-01"}, ""},
		"no trace":                  {[]string{"00-00000000000000000000000000000000-" + parent + "-01"}, ""},
		"no parent":                 {[]string{"00-" + trace + "-0000000000000000-01"}, ""},
		"short":                     {[]string{"00-" + trace}, ""},
		"another separator":         {[]string{"00_" + trace + "-" + parent + "-01"}, ""},
		"a sign instead of a digit": {[]string{"00-" + trace[:31] + "+-" + parent + "-01"}, ""},
		"empty":                     {[]string{""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, tracecontext.ID(http.Header{tracecontext.Header: row.values}))
		})
	}
}
