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

// forbiddenText is a text that depends on the machine or the environment where
// a file was written, and that means nothing to other readers.
type forbiddenText struct {
	what    string
	pattern *regexp.Regexp
	inTests bool // also forbidden in tests and their data
}

var forbiddenTexts = []forbiddenText{
	{"a path of the machine it was written on", regexp.MustCompile("(?m)(^|[\\s\"'`(=:<])/(work|root)/"), true},
	{"a path of documents that are not in this repository", regexp.MustCompile(`\bshared/(DESIGN|SPEC|STYLE|OTEL|conformance)\b`), true},
	{"a temporary folder", regexp.MustCompile("(?m)(^|[\\s\"'`(=:<])/tmp/"), false},
	{"the host of a package registry", regexp.MustCompile(`(?i)\b(proxy|sum)\.golang\.org\b|\b(deb|security|ftp)\.debian\.org\b|\bregistry\.(npmjs|yarnpkg)\.(org|com)\b|\b(files\.pythonhosted|pypi)\.org\b`), true},
}

// findForbidden returns the first forbidden text in the named file, or "".
func findForbidden(name string, text []byte) (what, where string) {
	test := strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/")
	for _, forbiddenText := range forbiddenTexts {
		if test && !forbiddenText.inTests {
			continue
		}
		if match := forbiddenText.pattern.Find(text); match != nil {
			return forbiddenText.what, strings.TrimSpace(string(match))
		}
	}
	return "", ""
}

// Checks all files that git tracks or that could be added.
func TestFiles_All_ContainNoLocalPaths(t *testing.T) {
	dir := root(t)
	names := strings.Split(string(output(t, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")), "\x00")
	read := 0
	for _, name := range names {
		if name == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue // removed, but not committed yet
		}
		require.NoError(t, err)
		read++
		if bytes.IndexByte(text, 0) >= 0 {
			continue // not a text file
		}
		what, where := findForbidden(name, text)
		require.Empty(t, what, "%s holds %s: %q", name, what, where)
	}
	require.Greater(t, read, 20, "git lists hardly any file")
}

func TestFindForbidden_EachKind_IsFound(t *testing.T) {
	// The texts are concatenated, so that this file does not contain them.
	for text, in := range map[string]string{
		"see /wo" + "rk/main/aureus":            "README.md",
		`{"dir":"/ro` + `ot/go"}`:               "guard/testdata/case.json",
		"as sha" + "red/SPEC says":              "aureus/doc.go",
		"written to /t" + "mp/aureus.db":        "docs/control-plane.md",
		"from https://proxy.gol" + "ang.org/x":  "CONTRIBUTING.md",
		"deb http://deb.deb" + "ian.org/debian": ".ci/run",
	} {
		what, _ := findForbidden(in, []byte(text))
		require.NotEmpty(t, what, "%q in %s", text, in)
	}
	for text, in := range map[string]string{
		"a framework/work/flow of paths":          "README.md",
		"POST /api/v1/workflows/execute":          "docs/api.md",
		`"path":"/t` + `mp/upload"`:               "guard/testdata/case.json",
		"golang.org/x/vuln and RFC 9457 are fine": "Makefile",
	} {
		what, where := findForbidden(in, []byte(text))
		require.Empty(t, what, "%q in %s", where, in)
	}
}
