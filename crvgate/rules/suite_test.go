package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// suiteGroup holds a schema of the JSON Schema Test Suite and its tests.
type suiteGroup struct {
	Description string      `json:"description"`
	Schema      any         `json:"schema"`
	Tests       []suiteTest `json:"tests"`
}

type suiteTest struct {
	Description string `json:"description"`
	Data        any    `json:"data"`
	Valid       bool   `json:"valid"`
}

// allowedRefusals lists texts of the errors with which a schema of the suite may be
// refused.
var allowedRefusals = []string{
	"outside the document", // references to other documents are not loaded
	"is not known here",    // a format that is not checked
	"must be https://json-schema.org/draft/2020-12/schema", // another draft or dialect
	"is not valid in RE2", // a pattern of ECMAScript
	"format regex",        // the same
	"without end",         // a schema that refers to itself for the same value
	"checks nothing",      // a misspelt keyword, or a keyword of an older draft
}

// differences lists the files of the suite with tests whose result differs here, with the
// reason.
var differences = map[string]string{
	"format.json":                           "formats are assertions here, and annotations in the suite",
	"optional/ecmascript-regex.json":        "patterns are those of RE2, where \\s matches ASCII only",
	"optional/format/ecmascript-regex.json": "the format regex is that of RE2",
}

// For every schema of the published suite that is not refused, the results are those of
// the suite.
func TestSchema_PublishedSuite_AgreesOrRefuses(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("AUREUS_JSON_SCHEMA_SUITE")
	if folder == "" {
		t.Skip("set AUREUS_JSON_SCHEMA_SUITE to a checkout of https://github.com/json-schema-org/JSON-Schema-Test-Suite to run it")
	}
	root := filepath.Join(folder, "tests", "draft2020-12")
	counts := map[string]*[3]int{} // agree, differ, refused
	var refusals []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var groups []suiteGroup
		require.NoError(t, strictjson.Unmarshal(text, &groups), name)
		kind := filepath.ToSlash(filepath.Dir(name))
		if counts[kind] == nil {
			counts[kind] = &[3]int{}
		}
		for _, group := range groups {
			agree, differ, refused := runSuiteGroup(t, name, group)
			counts[kind][0] += agree
			counts[kind][1] += differ
			if refused != "" {
				counts[kind][2] += len(group.Tests)
				refusals = append(refusals, fmt.Sprintf("%s: %s: %.160s", name, group.Description, refused))
			}
		}
		return nil
	}))
	slices.Sort(refusals)
	t.Log("refused when registered:\n" + strings.Join(refusals, "\n"))
	for _, kind := range []string{".", "optional", "optional/format"} {
		require.NotNil(t, counts[kind], "there is no folder %s in the suite", kind)
		t.Logf("%-16s %4d agree, %d differ, %d refused", kind, counts[kind][0], counts[kind][1], counts[kind][2])
	}
}

// runSuiteGroup runs the tests of one schema.
func runSuiteGroup(t *testing.T, file string, group suiteGroup) (agree, differ int, refused string) {
	t.Helper()
	text, err := strictjson.Marshal(group.Schema)
	require.NoError(t, err)
	r := newRegistry()
	_, err = r.Register(t.Context(), "rule", fmt.Appendf(nil, `{"type":"json_schema","parameters":{"schema":%s}}`, text))
	if err != nil {
		if !slices.ContainsFunc(allowedRefusals, func(reason string) bool { return strings.Contains(err.Error(), reason) }) {
			t.Errorf("%s: %s: %v", file, group.Description, err)
		}
		return 0, 0, err.Error()
	}
	for _, test := range group.Tests {
		result := r.Validator("rule")(t.Context(), crvgate.Change[any]{Data: test.Data})
		if result.Valid == test.Valid && result.FailureCode != aureus.ToolError {
			agree++
			continue
		}
		differ++
		if differences[filepath.ToSlash(file)] != "" {
			continue
		}
		t.Errorf("%s: %s: %s: valid is %t: %.120v", file, group.Description, test.Description, result.Valid, test.Data)
	}
	return agree, differ, ""
}
