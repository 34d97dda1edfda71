package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The commands of the auditors' guide, run over a copy of the sample, print what the page
// shows.
func TestEvidencePage_Commands_PrintWhatItShows(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "evidence.md"))
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS(sampleFolder)))
	log, err := os.ReadFile(filepath.Join(folder, "log.jsonl"))
	require.NoError(t, err)
	lines := bytes.SplitAfter(log, []byte("\n"))
	for name, text := range map[string][]byte{ // as the page tells its reader to make them
		"changed.jsonl": bytes.Replace(log, []byte("agent-1"), []byte("agent-2"), 1),
		"short.jsonl":   bytes.Join(append(lines[:1:1], lines[2:]...), nil),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), text, 0o600))
	}
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllSubmatch(page, -1) {
		for _, typed := range strings.Split("\n"+string(block[1]), "\n$ ")[1:] {
			command, shown, _ := strings.Cut(typed, "\n")
			words := strings.Fields(command)
			if words[0] == "cd" {
				require.DirExists(t, filepath.Join("..", "..", "..", words[1]))
				continue
			}
			require.Equal(t, "aureus", words[0])
			for i, word := range words {
				if file := filepath.Join(folder, word); exists(file) {
					words[i] = file
				}
			}
			var out bytes.Buffer
			code := run(t.Context(), words[1:], func(string) string { return "" }, &out, &out)
			require.Equal(t, strings.TrimRight(shown, "\n"), strings.TrimRight(out.String(), "\n"), command)
			require.Equal(t, strings.Contains(shown, "not valid"), code == 1, command)
			ran++
		}
	}
	require.Equal(t, 7, ran, "commands of the page")
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
