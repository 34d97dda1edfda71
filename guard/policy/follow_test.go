package policy_test

import (
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

func TestFollow_WrongConfig_IsAnError(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	for name, config := range map[string]policy.FollowConfig{
		"Interval":   {Interval: time.Millisecond},
		"from 1s":    {Interval: 2 * time.Hour},
		"SpoolLimit": {SpoolLimit: 10},
	} {
		_, err := policy.Follow(t.Context(), p.client(t), "", config)
		require.ErrorContains(t, err, name)
	}
	_, err := policy.Follow(t.Context(), nil, "", policy.FollowConfig{})
	require.ErrorContains(t, err, "NewClient")
	_, err = policy.Follow(t.Context(), p.client(t), filepath.Join(t.TempDir(), "no", "folder"), policy.FollowConfig{})
	require.ErrorContains(t, err, "cache file")
	p.set(func() { p.text = "" })
	_, err = policy.Follow(t.Context(), p.client(t), "", policy.FollowConfig{})
	require.ErrorContains(t, err, "no bundle")

	var none *policy.Follower
	decision, err := none.Decide(t.Context(), ask("ann", "look", nil))
	require.Error(t, err)
	require.Equal(t, aureus.Deny, decision.Effect)
	require.Error(t, none.RecordOutcomes(t.Context(), nil))
	require.NoError(t, none.Close(t.Context()))
	require.Nil(t, none.Bundle())
	require.Nil(t, none.Routes())
	require.Zero(t, none.Stats())
}

// A bundle of the control plane that must not come into force leaves the other one, and
// the stops are read all the same.
func TestFollow_UnacceptableBundle_LeavesTheOneInForce(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a lower version":           followed(6, "ann:", "bob:"),
		"the version, another text": followed(7, "ann:", "bob:"),
		"another name":              followed(8, "name: followed", "name: other"),
		"not a bundle":              "name: followed\nversion: 8\nroles: [",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newControlPlane(t, followed(7))
			var log logged
			f := p.follow(t, "", policy.FollowConfig{Logger: log.logger()})
			p.set(func() {
				p.text, p.stops = text, []aureus.PolicyStop{{Scope: "action:sign", Reason: "drill"}}
			})
			eventually(t, func() bool {
				d, err := f.Decide(t.Context(), ask("ann", "sign", nil))
				return err == nil && d.ReasonCode == aureus.ReasonStopped
			}, "the stop")
			eventually(t, func() bool { return strings.Contains(log.String(), "is not put in force") }, "the log")
			decision, err := f.Decide(t.Context(), ask("ann", "look", nil))
			require.NoError(t, err)
			require.Equal(t, []any{aureus.Allow, "followed/7"}, []any{decision.Effect, decision.Bundle})
			before := f.Stats().LastContact
			p.set(func() { p.text = followed(9) })
			eventually(t, func() bool { return f.Bundle().Version() == 9 }, "the next bundle")
			require.False(t, f.Stats().LastContact.Before(before))
			require.Equal(t, 1, strings.Count(log.String(), "is not put in force"), "an error is logged once")
		})
	}
}

// With keys, a bundle without a good signature is not used, at the start or later.
func TestFollow_Keys_DemandASignature(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	config := policy.FollowConfig{Keys: []ed25519.PublicKey{public}, Interval: time.Second}
	p := newControlPlane(t, followed(1))
	_, err = policy.Follow(t.Context(), p.client(t), "", config)
	require.ErrorIs(t, err, policy.ErrSignature)
	p.set(func() { p.signature = ed25519.Sign(private, []byte(p.text)) })
	cache := filepath.Join(t.TempDir(), "cache")
	f := p.follow(t, cache, config)

	p.set(func() { p.text = followed(2) }) // the signature is that of the first
	p.set(func() { p.stops = []aureus.PolicyStop{{Scope: "all", Reason: "drill"}} })
	eventually(t, func() bool {
		d, err := f.Decide(t.Context(), ask("ann", "look", nil))
		return err == nil && d.ReasonCode == aureus.ReasonStopped
	}, "the stop")
	require.EqualValues(t, 1, f.Bundle().Version())
	p.set(func() { p.signature = ed25519.Sign(private, []byte(p.text)) })
	eventually(t, func() bool { return f.Bundle().Version() == 2 }, "the signed bundle")
	require.NoError(t, f.Close(t.Context()))

	p.set(func() { p.down = true })
	require.EqualValues(t, 2, p.follow(t, cache, config).Bundle().Version(), "the cache has the signature")
	config.Keys = []ed25519.PublicKey{make(ed25519.PublicKey, ed25519.PublicKeySize)}
	_, err = policy.Follow(t.Context(), p.client(t), cache, config)
	require.ErrorIs(t, err, policy.ErrSignature)
}

// A cache file is readable by its user alone, and damaged, foreign and future ones are not
// used. One without a max_age is used however old it is, and the log says so.
func TestFollow_CacheFile_IsChecked(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(4))
	cache := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, p.follow(t, cache, policy.FollowConfig{}).Close(t.Context()))
	info, err := os.Stat(cache)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm()&^0o066|0o600)
	text, err := os.ReadFile(cache)
	require.NoError(t, err)

	p.set(func() { p.down = true })
	var log logged
	f := p.follow(t, cache, policy.FollowConfig{Now: at(time.Now().AddDate(1, 0, 0)), Logger: log.logger()})
	require.EqualValues(t, 4, f.Bundle().Version())
	require.Contains(t, log.String(), "no max_age")

	_, err = policy.Follow(t.Context(), p.client(t), cache, policy.FollowConfig{Now: at(time.Now().Add(-time.Hour))})
	require.ErrorContains(t, err, "not in the past")
	elsewhere := newControlPlane(t, "")
	_, err = policy.Follow(t.Context(), elsewhere.client(t), cache, policy.FollowConfig{})
	require.ErrorContains(t, err, "another file")
	damaged := filepath.Join(t.TempDir(), "damaged")
	for _, at := range []int{0, len(text) / 2, len(text) - 1} {
		changed := append([]byte{}, text...)
		changed[at] ^= 1
		require.NoError(t, os.WriteFile(damaged, changed, 0o600))
		_, err = policy.Follow(t.Context(), p.client(t), damaged, policy.FollowConfig{})
		require.ErrorContains(t, err, "checksum")
	}
	require.NoError(t, os.WriteFile(damaged, text[:len(text)/2], 0o600))
	_, err = policy.Follow(t.Context(), p.client(t), damaged, policy.FollowConfig{})
	require.ErrorContains(t, err, "checksum")

	p.set(func() { p.down, p.text = false, followed(3) })
	f = p.follow(t, cache, policy.FollowConfig{})
	require.EqualValues(t, 4, f.Bundle().Version(), "the control plane has gone back to a lower version")
	p.follow(t, damaged, policy.FollowConfig{}) // replaces it
	p.set(func() { p.down = true })
	require.EqualValues(t, 3, p.follow(t, damaged, policy.FollowConfig{}).Bundle().Version())
}

// A decision of the control plane that is not by the followed bundle does not count.
func TestFollow_AnswerByAnotherBundle_IsUndecided(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(5))
	f := p.follow(t, "", policy.FollowConfig{})
	for _, answer := range []aureus.GuardDecision{
		{Bundle: "followed/4"}, {Bundle: "other/5"}, {Bundle: ""}, {Bundle: "followed/x"}, {Bundle: "followed/5", Claimed: true}, {Bundle: "followed/6", Claimed: true},
	} {
		answer.Allowed, answer.Effect, answer.ReasonCode = true, "allow", aureus.ReasonLowRisk
		p.set(func() { p.decide = func() aureus.GuardDecision { return answer } })
		decision, err := f.Decide(t.Context(), ask("ann", "count", nil))
		require.ErrorContains(t, err, "instead of followed/5", answer)
		require.Equal(t, aureus.Deny, decision.Effect)
	}
	for _, bundle := range []string{"followed/5", "followed/6"} {
		p.set(func() { p.decide = allowed(bundle) })
		decision, err := f.Decide(t.Context(), ask("ann", "count", nil))
		require.NoError(t, err)
		require.Equal(t, aureus.Allow, decision.Effect)
	}
	p.set(func() { p.decide = allowed("followed/5") }) // but the follower has learned of a stop
	p.set(func() { p.stops = []aureus.PolicyStop{{Scope: "all"}} })
	eventually(t, func() bool {
		d, err := f.Decide(t.Context(), ask("ann", "count", nil))
		return err == nil && d.ReasonCode == aureus.ReasonStopped
	}, "the stop")
	require.NoError(t, f.Close(t.Context()))
	p.set(func() {
		require.NotEmpty(t, p.outcomes, "what the control plane had reserved is given back")
		require.Equal(t, "refused", p.outcomes[0].Status)
	})
}

// The last known allow counts while the control plane does not answer, for its time, for
// the very same request of tier low, and under the same bundle and stops.
func TestFollow_LastKnownAllow_HasItsLimits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := &movable{now: now}
	p := newControlPlane(t, followed(1))
	f := p.follow(t, "", policy.FollowConfig{Now: clock.Now, Interval: time.Hour})
	ctx := t.Context()
	known := ask("ann", "count", object{"id": "x"})
	asked := []aureus.Request{known, ask("ann", "count.timed", nil), ask("ann", "count.medium", nil), ask("ann", "sign", nil)}
	p.set(func() { p.decide = allowed("followed/1") })
	for _, request := range asked {
		_, err := f.Decide(ctx, request)
		require.NoError(t, err)
	}
	p.set(func() { p.decide = nil })
	decision, err := f.Decide(ctx, known)
	require.NoError(t, err)
	require.Equal(t, []any{aureus.Allow, aureus.ReasonLastKnownAllow, aureus.TierLow, "followed/1"},
		[]any{decision.Effect, decision.ReasonCode, decision.RiskTier, decision.Bundle})
	require.EqualValues(t, 1, f.Stats().LastKnown)
	other := ask("ann", "count", object{"id": "y"})
	for _, request := range append(asked[1:], other) { // reads the time, medium, needs a person, another question
		decision, err := f.Decide(ctx, request)
		require.ErrorIs(t, err, aureus.ErrUnavailable, "%+v", decision)
	}
	clock.set(now.Add(31 * time.Second))
	_, err = f.Decide(ctx, known)
	require.ErrorIs(t, err, aureus.ErrUnavailable)

	// A denial in the meantime ends it.
	p.set(func() { p.decide = allowed("followed/1") })
	_, err = f.Decide(ctx, known)
	require.NoError(t, err)
	p.set(func() {
		p.decide = func() aureus.GuardDecision {
			return aureus.GuardDecision{Effect: "deny", ReasonCode: aureus.ReasonBudgetExceeded, Bundle: "followed/1"}
		}
	})
	_, err = f.Decide(ctx, known)
	require.NoError(t, err)
	p.set(func() { p.decide = nil })
	_, err = f.Decide(ctx, known)
	require.ErrorIs(t, err, aureus.ErrUnavailable)
	require.NoError(t, f.Close(ctx))
	p.set(func() {
		codes := map[aureus.ReasonCode]int{}
		for _, r := range p.recorded {
			codes[r.ReasonCode]++
		}
		require.Equal(t, map[aureus.ReasonCode]int{aureus.ReasonLastKnownAllow: 1}, codes)
	})
}

// After the context has ended, nothing is decided, and what waits is still sent.
func TestFollow_ContextEnds_EndsTheFollower(t *testing.T) {
	t.Parallel()
	p := newControlPlane(t, followed(1))
	ctx, cancel := context.WithCancel(t.Context())
	f, err := policy.Follow(ctx, p.client(t), "", policy.FollowConfig{})
	require.NoError(t, err)
	decision, err := f.Decide(t.Context(), ask("ann", "look", nil))
	require.NoError(t, err)
	cancel()
	_, err = f.Decide(t.Context(), ask("ann", "look", nil))
	require.ErrorContains(t, err, "closed")
	require.NoError(t, f.Close(t.Context()))
	p.set(func() {
		require.Len(t, p.recorded, 1)
		require.Equal(t, decision.Record(), p.recorded[0])
	})
}

// A control plane that does not know the key any more ends the decisions, whichever
// request it refuses first, until it knows the key again.
func TestFollow_KeyRefusedByAnyRequest_DecidesNothing(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/policy/stops", "/policy/bundle", "/policy/evaluate"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			p := newControlPlane(t, followed(1))
			f := p.follow(t, "", policy.FollowConfig{Spool: t.TempDir()})
			p.set(func() { p.forgets[path] = true })
			eventually(t, func() bool {
				_, _ = f.Decide(t.Context(), ask("ann", "count", nil))
				_, err := f.Decide(t.Context(), ask("ann", "look", nil))
				return err != nil
			}, "the refusal")
			p.set(func() { p.forgets[path] = false })
			eventually(t, func() bool { _, err := f.Decide(t.Context(), ask("ann", "look", nil)); return err == nil }, "the key")
		})
	}
}
