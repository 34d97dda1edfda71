package settings

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func writeConfig(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, []byte(text), mode))
	require.NoError(t, os.Chmod(file, mode))
	return file
}

const twoProfiles = `{"default": "work", "profiles": {
	"work": {"url": "https://aureus.example", "api_key": "key_work"},
	"home": {"url": "http://127.0.0.1:3000", "api_key": "key_home"}}}`

func TestFind_AddressAndKey_AreFromOnePlace(t *testing.T) {
	file := writeConfig(t, twoProfiles, 0o600)
	for name, row := range map[string]struct {
		env          map[string]string
		url, profile string
		want         [2]string
	}{
		"the default profile":                           {nil, "", "", [2]string{"https://aureus.example", "key_work"}},
		"a named profile":                               {nil, "", "home", [2]string{"http://127.0.0.1:3000", "key_home"}},
		"the profile of the environment":                {map[string]string{"AUREUS_PROFILE": "home"}, "", "", [2]string{"http://127.0.0.1:3000", "key_home"}},
		"the environment":                               {map[string]string{"AUREUS_URL": "http://u", "AUREUS_API_KEY": "key_env"}, "", "", [2]string{"http://u", "key_env"}},
		"a flag, without the key of profiles":           {nil, "http://flag", "", [2]string{"http://flag", ""}},
		"a profile, without the key of the environment": {map[string]string{"AUREUS_URL": "http://u", "AUREUS_API_KEY": "key_env"}, "", "home", [2]string{"http://127.0.0.1:3000", "key_home"}},
	} {
		t.Run(name, func(t *testing.T) {
			values := map[string]string{"AUREUS_CONFIG": file}
			maps.Copy(values, row.env)
			got, err := Find(env(values), row.url, row.profile)
			require.NoError(t, err)
			require.Equal(t, row.want, [2]string{got.URL, got.Key})
		})
	}
}

func TestFind_InvalidConfiguration_IsAnErrorWithoutKeys(t *testing.T) {
	for says, text := range map[string]string{
		"is not a configuration": `{"profiles": {"work": {"url": "https://a", "api_key": ["key_secret"]}}}`,
		"it is not valid JSON":   `key_secret`,
		"must have a url":        `{"profiles": {"work": {"url": "", "api_key": "key_secret"}}}`,
		"no default profile":     `{"profiles": {"a": {"url": "x", "api_key": "key_secret"}, "b": {"url": "y", "api_key": "z"}}}`,
		"has no profile":         `{"default": "c", "profiles": {"a": {"url": "x", "api_key": "key_secret"}}}`,
	} {
		_, err := Find(env(map[string]string{"AUREUS_CONFIG": writeConfig(t, text, 0o600)}), "", "")
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "key_secret")
	}
	_, err := Find(env(map[string]string{"HOME": t.TempDir()}), "", "")
	require.ErrorContains(t, err, "AUREUS_URL")
	if runtime.GOOS != "windows" {
		_, err = Find(env(map[string]string{"AUREUS_CONFIG": writeConfig(t, twoProfiles, 0o640)}), "", "")
		require.ErrorContains(t, err, "chmod 600")
	}
}

func digestOf(n int) aureus.Digest { return aureus.Digest{byte(n), byte(n >> 8), 1} }

func TestShown_ManyApprovals_KeepsTheNewestOfEachServer(t *testing.T) {
	home := t.TempDir()
	getenv := env(map[string]string{"HOME": home, "LOCALAPPDATA": home})
	s, err := OpenShown(getenv, "http://one")
	require.NoError(t, err)
	other, err := OpenShown(getenv, "http://two")
	require.NoError(t, err)
	_, found, err := s.Digest("apr_1")
	require.NoError(t, err)
	require.False(t, found)
	at := time.Now()
	all := map[string]aureus.Digest{}
	require.NoError(t, s.Keep(map[string]aureus.Digest{"apr_old": digestOf(7)}, at))
	for n := range maxShown {
		all[fmt.Sprint("apr_", n)] = digestOf(n)
	}
	require.NoError(t, s.Keep(all, at.Add(time.Second)))
	_, found, err = s.Digest("apr_old")
	require.NoError(t, err)
	require.False(t, found, "the oldest is forgotten")
	digest, found, err := s.Digest("apr_300")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, digestOf(300), digest)
	_, found, err = other.Digest("apr_300")
	require.NoError(t, err)
	require.False(t, found, "an approval of another control plane")
	if runtime.GOOS != "windows" {
		info, err := os.Stat(s.file)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
}

func TestShown_KeptAtTheSameTime_LosesNothing(t *testing.T) {
	home := t.TempDir()
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			s, err := OpenShown(env(map[string]string{"HOME": home, "LOCALAPPDATA": home}), "http://one")
			if err == nil {
				err = s.Keep(map[string]aureus.Digest{fmt.Sprint("apr_", n): digestOf(n)}, time.Now())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s, err := OpenShown(env(map[string]string{"HOME": home, "LOCALAPPDATA": home}), "http://one")
	require.NoError(t, err)
	for n := range 20 {
		_, found, err := s.Digest(fmt.Sprint("apr_", n))
		require.NoError(t, err)
		require.True(t, found, n)
	}
}

func TestShown_DamagedFile_SaysWhatToDo(t *testing.T) {
	home := t.TempDir()
	s, err := OpenShown(env(map[string]string{"HOME": home, "LOCALAPPDATA": home}), "http://one")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(s.file), 0o700))
	require.NoError(t, os.WriteFile(s.file, []byte("{"), 0o600))
	_, _, err = s.Digest("apr_1")
	require.ErrorContains(t, err, "remove it")
}
