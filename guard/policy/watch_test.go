package policy_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

const forbidding = "rules: [{id: never, effect: deny, actions: [read]}]\n"

func TestWatch_ChangedFile_ReplacesTheBundle(t *testing.T) {
	file := filepath.Join(t.TempDir(), "small.yaml")
	write := func(text []byte) { require.NoError(t, os.WriteFile(file, text, 0o600)) }
	write(smallBundle(t, 1, "max_age: 1m\n").Text())
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(context.Background())
		engine, err := policy.Watch(ctx, file, policy.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		tick := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		effect := func() aureus.Effect { return decide(t, engine, ask("ann", "read", nil)).Effect }

		tick(10 * time.Minute)
		require.Equal(t, aureus.Allow, effect(), "each reading confirms the bundle")
		write([]byte("aureus: policy/1\nname: small\n"))
		tick(10 * time.Second)
		require.Equal(t, aureus.Allow, effect(), "the bundle in force stays")
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), "an error is logged once")

		write(smallBundle(t, 1, "max_age: 1m\n"+forbidding).Text())
		tick(2 * time.Second)
		require.Equal(t, aureus.Allow, effect(), "the same version with another text is refused")
		require.Contains(t, log.String(), "does not replace")

		write(smallBundle(t, 2, "max_age: 1m\n"+forbidding).Text())
		tick(time.Second)
		require.Equal(t, aureus.Deny, effect())
		require.Equal(t, int64(2), engine.Bundle().Version())

		require.NoError(t, os.Remove(file))
		tick(30 * time.Second)
		require.Equal(t, aureus.Deny, effect())
		write(smallBundle(t, 2, "max_age: 1m\n"+forbidding).Text())
		tick(50 * time.Second)
		require.Equal(t, aureus.Deny, effect(), "the same file confirms it again")
		require.NoError(t, os.Remove(file))
		tick(2 * time.Minute)
		_, err = engine.Decide(context.Background(), ask("ann", "read", nil))
		require.ErrorIs(t, err, policy.ErrStale, "nothing confirms it")

		write(smallBundle(t, 3, "").Text())
		tick(time.Second)
		require.Equal(t, aureus.Allow, effect())
		cancel()
		write(smallBundle(t, 4, forbidding).Text())
		tick(time.Minute)
		require.Equal(t, aureus.Allow, effect(), "after the context it is not read")
	})
}

func TestWatch_RevertedFile_IsRefusedAndConfirmsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "small.yaml")
	write := func(text []byte) { require.NoError(t, os.WriteFile(file, text, 0o600)) }
	first := smallBundle(t, 1, "max_age: 1m\n").Text()
	write(smallBundle(t, 2, "max_age: 1m\n").Text())
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		engine, err := policy.Watch(ctx, file, policy.Config{})
		require.NoError(t, err)
		write(first)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		_, err = engine.Decide(context.Background(), ask("ann", "read", nil))
		require.ErrorIs(t, err, policy.ErrStale)
		cancel()
		synctest.Wait()
	})
}

func TestWatch_Signed_RefusesAnUnsignedChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "small.yaml")
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, err = policy.Watch(context.Background(), file, policy.Config{}, public)
	require.ErrorIs(t, err, os.ErrNotExist)
	text := smallBundle(t, 1, "").Text()
	require.NoError(t, os.WriteFile(file, text, 0o600))
	_, err = policy.Watch(context.Background(), file, policy.Config{}, public)
	require.ErrorIs(t, err, policy.ErrSignature)
	require.NoError(t, os.WriteFile(file+".sig", ed25519.Sign(private, text), 0o600))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		engine, err := policy.Watch(ctx, file, policy.Config{}, public)
		require.NoError(t, err)
		next := smallBundle(t, 2, forbidding).Text()
		require.NoError(t, os.WriteFile(file, next, 0o600))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, int64(1), engine.Bundle().Version())
		require.NoError(t, os.WriteFile(file+".sig", ed25519.Sign(private, next), 0o600))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, int64(2), engine.Bundle().Version())
		cancel()
		synctest.Wait()
	})
}

func TestWatch_FileThatDoesNotLoad_IsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(file, []byte("aureus: policy/1\n"), 0o600))
	engine, err := policy.Watch(context.Background(), file, policy.Config{})
	require.Nil(t, engine)
	_, isLoadError := errors.AsType[*policy.LoadError](err)
	require.True(t, isLoadError)
	require.ErrorContains(t, err, file)
}
