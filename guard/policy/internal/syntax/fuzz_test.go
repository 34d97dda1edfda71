package syntax_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// No text crashes the parser. The position of each problem is inside of the text, and the
// problems are in order. A text without problems gives a complete document.
func FuzzParse(f *testing.F) {
	f.Add(readTestdata(f, "ledger.yaml"))
	f.Add(readTestdata(f, "specification.yaml"))
	for _, text := range []string{
		"", act, header + "roles: {a: [}", header + "params: {a: &x 1, b: *x, <<: *x}", "%YAML 1.1\n---\n" + header,
		header + "# \u202eabc", "\xff\xfe", header + "---\n" + header, header + "params: !!binary x", strings.ReplaceAll(act, "\n", "\r"),
		`{"aureus":"policy/1","name":"n","version":1,"params":{"a":"\ud83d\ude00"}}`,
		header + "params:\n  ? [a]\n  : |2+\n     x\n\n", header + "params: {a: 1e400, b: 0x1, c: .inf, d: -0, e: 1_0}",
		header + "actions: {a: {open: true, routes: ['GET /{x}', 'GET /{y}', '/{$}', 'x/{z...}']}}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, problems := syntax.Parse(text)
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n")
		last := syntax.Pos{}
		for _, p := range problems {
			require.NotEmpty(t, p.Message)
			require.True(t, utf8.ValidString(p.Message), "%q", p.Message)
			require.GreaterOrEqual(t, p.Line, 1)
			require.LessOrEqual(t, p.Line, len(lines), p.Message)
			require.GreaterOrEqual(t, p.Column, 1)
			require.LessOrEqual(t, p.Column, utf8.RuneCountInString(lines[p.Line-1])+1, p.Message)
			require.False(t, p.Line < last.Line || p.Line == last.Line && p.Column < last.Column, "%v is not behind %v", p.Pos, last)
			last = p.Pos
		}
		if _, again := syntax.Parse(append(bytes.Clone(text), "\n# a comment"...)); json.Valid(text) && len(text) < 1_000 && !bytes.ContainsAny(text, "\\") {
			require.Equal(t, again, problems, "JSON with a comment is YAML") // escapes and long keys differ
		}
		if len(problems) > 0 {
			return
		}
		require.Equal(t, syntax.Format, d.Format.Value)
		require.NotEmpty(t, d.Name.Value)
		require.Positive(t, d.Version.Value)
		for _, a := range d.Actions {
			require.Equal(t, !a.Open, a.HasRequires && a.Tier.Set(), a.ID.Value)
		}
		for _, r := range d.Rules {
			require.Contains(t, []string{"deny", "require_approval"}, r.Effect.Value)
			require.NotEmpty(t, r.ID.Value)
			require.NotEmpty(t, r.Actions)
		}
		for _, b := range d.Budgets {
			require.NotEmpty(t, b.Limit.Value)
			require.Positive(t, b.Window.Value)
		}
		for _, test := range d.Tests {
			require.NotEmpty(t, test.Want.Value)
			require.True(t, test.Action.Set() || test.Tool.Set() || test.Route.Set())
		}
	})
}
