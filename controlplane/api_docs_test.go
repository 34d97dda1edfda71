package controlplane_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// apiPage documents every endpoint with curl. The test runs each shell block and
// compares its output with the block of json or text that follows it:
//
//   - json: the response has everything that the page shows; it may have more
//     fields. "…" stands for any text, or for any part of a text. A list that ends with
//     "…" may have more texts.
//   - text: the output has each line; "…" stands for any text.
//
// A comment `<!-- keep NAME=/pointer -->` after a block of json stores a value of the
// response as an environment variable for the following blocks.
const apiPage = "../docs/api.md"

func TestAPIPage_Examples_AreWhatTheServerAnswers(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed: install it to have the examples of docs/api.md run")
	}
	if help, err := exec.Command("curl", "--help", "all").Output(); err != nil || !strings.Contains(string(help), "--json") {
		t.Skip("curl 7.82 or later is not installed: install it to have the examples of docs/api.md run")
	}
	s := newSite(t, open(t))
	environment := map[string]string{
		"AUREUS_URL": s.url, "SERVICE_KEY": s.service, "OPERATOR_KEY": s.operator,
		"ADMIN_KEY":    newKey(t, s.server, controlplane.RoleAdmin, "adam", func(k *controlplane.Key) { k.Tenant = "bundles" }),
		"OWN_DECISION": aureus.NewDecisionID(time.Now()).String(),
	}
	sections, compared := map[string]bool{}, 0
	var printed string
	for _, part := range readExamples(t) {
		place := fmt.Sprintf("%s:%d", apiPage, part.line)
		switch part.kind {
		case "heading":
			require.False(t, sections[part.text], "%s: the section %s occurs twice", place, part.text)
			sections[part.text] = true
		case "sh":
			printed, err = run(t, bash, part.text, environment)
			require.NoError(t, err, "%s\n%s", place, printed)
		case "json":
			want, err := strictjson.Parse([]byte(part.text))
			require.NoError(t, err, place)
			got, err := strictjson.Parse([]byte(printed))
			require.NoError(t, err, "%s: %s", place, printed)
			require.NoError(t, contains("", want, got), "%s: the output is %s", place, printed)
			compared++
		case "text":
			for line := range strings.Lines(part.text) {
				require.True(t, slices.ContainsFunc(strings.Split(printed, "\n"), func(got string) bool {
					return matches(strings.TrimSpace(line), strings.TrimSpace(got))
				}), "%s: nothing printed is %q: %s", place, line, printed)
			}
			compared++
		case "keep":
			got, err := strictjson.Parse([]byte(printed))
			require.NoError(t, err, place)
			name, pointer, _ := strings.Cut(part.text, "=")
			text, ok := pointed(got, pointer).(string)
			require.True(t, ok, "%s: nothing at %s in %s", place, pointer, printed)
			environment[name] = text
		}
	}
	for name := range s.checker.document.operations() {
		require.True(t, sections[name], "%s has no section for %s", apiPage, name)
		require.NotEmpty(t, s.checker.seen[name], "%s does not call %s", apiPage, name)
		delete(sections, name)
	}
	for heading := range sections {
		require.NotRegexp(t, `^[A-Z]+ /`, heading, "no such route")
	}
	require.Greater(t, compared, 30)
}

// example is a part of the page.
type example struct {
	line       int
	kind, text string
}

var keepComment = regexp.MustCompile(`^<!-- keep ([A-Z_]+=/\S*) -->$`)

func readExamples(t *testing.T) (parts []example) {
	t.Helper()
	text, err := os.ReadFile(apiPage)
	require.NoError(t, err)
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		switch fence, isFence := strings.CutPrefix(line, "```"); {
		case isFence && !inside:
			inside = true
			parts = append(parts, example{line: i + 1, kind: fence})
		case isFence:
			inside = false
		case inside:
			parts[len(parts)-1].text += line + "\n"
		case strings.HasPrefix(line, "#"):
			parts = append(parts, example{i + 1, "heading", strings.TrimSpace(strings.TrimLeft(line, "#"))})
		case keepComment.MatchString(line):
			parts = append(parts, example{i + 1, "keep", keepComment.FindStringSubmatch(line)[1]})
		default:
			require.NotContains(t, line, "<!-- keep", "%d: an invalid keep comment", i+1)
		}
	}
	require.False(t, inside, "a block without an end marker")
	return parts
}

// run runs a block for at most a minute and returns its output. A curl with a time
// limit of its own may end with an error.
func run(t *testing.T, bash, script string, environment map[string]string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, bash, "-c", "set -euo pipefail\n"+script)
	command.Dir, command.WaitDelay = t.TempDir(), time.Second
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + command.Dir, "LC_ALL=C.UTF-8"}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	printed, err := command.CombinedOutput()
	const timedOut = 28
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == timedOut && strings.Contains(script, "--max-time") {
		err = nil
	}
	return string(printed), err
}

// contains returns an error for the first part of want that is missing in got.
func contains(pointer string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, and the page shows an object", pointer, got)
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			value, there := fields[name]
			if !there {
				return fmt.Errorf("%s/%s is not there", pointer, name)
			}
			if err := contains(pointer+"/"+name, want[name], value); err != nil {
				return err
			}
		}
		return nil
	case []any:
		items, ok := got.([]any)
		for ok && len(want) > 0 && want[len(want)-1] == "…" && len(items) > len(want) {
			want = append(slices.Clone(want), "…")
		}
		if !ok || len(items) != len(want) {
			return fmt.Errorf("%s is %v, and the page shows %d items", pointer, got, len(want))
		}
		for i := range want {
			if err := contains(fmt.Sprintf("%s/%d", pointer, i), want[i], items[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		text, ok := got.(string)
		if !ok || !matches(want, text) {
			return fmt.Errorf("%s is %v, and the page shows %q", pointer, got, want)
		}
		return nil
	case json.Number:
		if n, ok := got.(json.Number); ok && n.String() == want.String() {
			return nil
		}
	default:
		if want == got {
			return nil
		}
	}
	return fmt.Errorf("%s is %v, and the page shows %v", pointer, got, want)
}

// matches compares a text with one in which … stands for any text.
func matches(want, got string) bool {
	parts := strings.Split(want, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`^(?s)` + strings.Join(parts, ".*") + `$`).MatchString(got)
}

func pointed(value any, pointer string) any {
	for _, name := range strings.Split(pointer, "/")[1:] {
		value = object(value)[name]
	}
	return value
}

func TestAPIPage_DifferentResponse_IsFound(t *testing.T) {
	t.Parallel()
	for reason, test := range map[string]struct {
		want, got string
		ok        bool
	}{
		"the same":                  {`{"a":[1,"x",null,true]}`, `{"a":[1,"x",null,true]}`, true},
		"more fields":               {`{"a":1}`, `{"a":1,"b":2}`, true},
		"any text":                  {`{"a":"…","b":"apr_…"}`, `{"a":"x","b":"apr_1"}`, true},
		"another beginning":         {`{"b":"apr_…"}`, `{"b":"dec_1"}`, false},
		"any text is no number":     {`{"a":"…"}`, `{"a":1}`, false},
		"a field that is not there": {`{"a":null}`, `{}`, false},
		"another value":             {`{"a":false}`, `{"a":true}`, false},
		"another number":            {`{"a":1.0}`, `{"a":1}`, false},
		"more items":                {`[1]`, `[1,2]`, false},
		"more texts":                {`["a","…"]`, `["a","b","c"]`, true},
		"more texts, and a number":  {`["…"]`, `["a",2]`, false},
		"texts, and there is none":  {`["…"]`, `[]`, false},
		"no array":                  {`[]`, `{}`, false},
		"no object":                 {`{}`, `[]`, false},
	} {
		want, err := strictjson.Parse([]byte(test.want))
		require.NoError(t, err)
		got, err := strictjson.Parse([]byte(test.got))
		require.NoError(t, err)
		require.Equal(t, test.ok, contains("", want, got) == nil, reason)
	}
}
