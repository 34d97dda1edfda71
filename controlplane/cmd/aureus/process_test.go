package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(hostFolderVar); folder != "" {
		if err := runHost(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	folder, err := os.MkdirTemp("", "aureus-cmd-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	commandFolder = folder
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		if err := os.RemoveAll(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		os.Exit(status)
	}))
}

// commandFolder is the folder of the command that the tests run. TestMain makes and
// removes it.
var commandFolder string

// buildCommand builds the command once for all tests and returns its path.
var buildCommand = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(commandFolder, "aureus")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", &exec.ExitError{Stderr: output}
	}
	return binary, nil
})

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := buildCommand()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, env...)
	cmd.Dir = t.TempDir()
	return cmd
}

// serverProcess is a server process that a test started.
type serverProcess struct {
	cmd    *exec.Cmd
	url    string
	output []string // the lines that it printed before its address
	stderr *lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var listenAddress = regexp.MustCompile(`listens on (https?://\S+)`)

// start runs the command and waits until it prints its address.
func start(t *testing.T, env []string, args ...string) *serverProcess {
	t.Helper()
	return startAndWait(t, command(t, env, args...))
}

// startAndWait starts a command that is a server and waits until it prints its
// address.
func startAndWait(t *testing.T, cmd *exec.Cmd) *serverProcess {
	t.Helper()
	r := &serverProcess{cmd: cmd, stderr: &lockedBuffer{}}
	stdout, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	r.cmd.Stderr = r.stderr
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() { // if the test has not stopped it
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := listenAddress.FindStringSubmatch(lines.Text()); found != nil {
			r.url = found[1]
			return r
		}
		r.output = append(r.output, lines.Text())
	}
	t.Fatalf("the server did not print its address: %s", r.stderr.String())
	return nil
}

func (r *serverProcess) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(signal))
	require.NoError(t, r.cmd.Wait(), r.stderr.String())
}

var secretPattern = regexp.MustCompile(`key_[0-9a-v]{26}\.[0-9a-v]{52}`)

func clientFor(t *testing.T, url, key string, options ...aureus.Option) *aureus.Client {
	t.Helper()
	c, err := aureus.NewClient(url, append(options, aureus.WithAPIKey(key))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

var lowRiskRequest = aureus.Request{
	Principal: aureus.Principal{ID: "agent-1", Type: "agent"},
	Action:    aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierLow},
}
