package archtest

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// trace is something that a file says about the machine or the workplace where
// it was written. The project is read elsewhere, and speaks of itself alone.
type trace struct {
	what    string
	pattern *regexp.Regexp
	inTests bool // looked for in tests and their data too
}

var traces = []trace{
	{"a path of the machine it was written on", regexp.MustCompile("(?m)(^|[\\s\"'`(=:<])/(work|root)/"), true},
	{"a path of papers that are not in this repository", regexp.MustCompile(`\bshared/(DESIGN|SPEC|STYLE|OTEL|conformance)\b`), true},
	{"a temporary folder", regexp.MustCompile("(?m)(^|[\\s\"'`(=:<])/tmp/"), false},
	{"the host of a package registry", regexp.MustCompile(`(?i)\b(proxy|sum)\.golang\.org\b|\b(deb|security|ftp)\.debian\.org\b|\bregistry\.(npmjs|yarnpkg)\.(org|com)\b|\b(files\.pythonhosted|pypi)\.org\b`), true},
}

// found is what the text of the named file gives away, and empty if nothing.
func found(name string, text []byte) (what, where string) {
	test := strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/")
	for _, trace := range traces {
		if test && !trace.inTests {
			continue
		}
		if match := trace.pattern.Find(text); match != nil {
			return trace.what, strings.TrimSpace(string(match))
		}
	}
	return "", ""
}

// What is committed, and what would be next.
func TestNoFileSpeaksOfItsMachine(t *testing.T) {
	dir := root(t)
	names := strings.Split(string(output(t, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")), "\x00")
	read := 0
	for _, name := range names {
		if name == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		require.NoError(t, err)
		read++
		if bytes.IndexByte(text, 0) >= 0 {
			continue // an image or another file that nobody reads as text
		}
		what, where := found(name, text)
		require.Empty(t, what, "%s holds %s: %q", name, what, where)
	}
	require.Greater(t, read, 20, "git knows next to no file")
}

func TestTracesAreFound(t *testing.T) {
	// Put together here, so that this file gives nothing away either.
	for text, in := range map[string]string{
		"see /wo" + "rk/main/aureus":            "README.md",
		`{"dir":"/ro` + `ot/go"}`:               "guard/testdata/case.json",
		"as sha" + "red/SPEC says":              "aureus/doc.go",
		"written to /t" + "mp/aureus.db":        "docs/control-plane.md",
		"from https://proxy.gol" + "ang.org/x":  "CONTRIBUTING.md",
		"deb http://deb.deb" + "ian.org/debian": ".ci/run",
	} {
		what, _ := found(in, []byte(text))
		require.NotEmpty(t, what, "%q in %s", text, in)
	}
	for text, in := range map[string]string{
		"a framework/work/flow of paths":          "README.md",
		"POST /api/v1/workflows/execute":          "docs/api.md",
		`"path":"/t` + `mp/upload"`:               "guard/testdata/case.json",
		"golang.org/x/vuln and RFC 9457 are fine": "Makefile",
	} {
		what, where := found(in, []byte(text))
		require.Empty(t, what, "%q in %s", where, in)
	}
}
