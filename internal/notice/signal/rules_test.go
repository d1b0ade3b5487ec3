package signal

import (
	"fmt"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// heap is the room's memory of one key, without a database.
type heap struct {
	key      standing
	episodes map[string]State
	since    map[string]time.Time
}

func (h *heap) record(s Signal) verdict {
	if t, ok := h.since[s.Episode]; ok {
		s.Since = t
	} else {
		h.since[s.Episode] = s.Since
	}
	v := weigh(h.key, h.episodes[s.Episode], s)
	h.episodes[s.Episode] = v.episode
	h.key = v.next
	return v
}

// An episode that has ended never opens again, the key's number never falls
// and grows by one with everything told, and whatever order and however many
// times the messages of a history come, the key ends as its newest episode.
func TestWeighInAnyOrder(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "episodes")
		open := rapid.Bool().Draw(t, "last still open")
		var history []Signal
		for i := range n {
			e := Signal{Episode: fmt.Sprint(i), Since: start.Add(time.Duration(i) * time.Hour), State: Firing, Severity: Warning}
			history = append(history, e)
			if i < n-1 || !open {
				e.State = Resolved
				history = append(history, e)
			}
		}
		all := append([]Signal{}, history...)
		for range rapid.IntRange(0, 8).Draw(t, "repeats") {
			all = append(all, rapid.SampledFrom(history).Draw(t, "repeat"))
		}
		all = rapid.Permutation(all).Draw(t, "order")
		h := &heap{episodes: map[string]State{}, since: map[string]time.Time{}}
		ended := map[string]bool{}
		for _, s := range all {
			before := h.key
			v := h.record(s)
			if ended[s.Episode] && v.reason == "" && s.State == Firing {
				t.Fatalf("episode %s opened again", s.Episode)
			}
			ended[s.Episode] = ended[s.Episode] || s.State == Resolved
			if told := v.reason == ""; (told && h.key.Seq != before.Seq+1) || (!told && h.key.Seq != before.Seq) {
				t.Fatalf("number went from %d to %d, told %v", before.Seq, h.key.Seq, told)
			}
			if before.State == Resolved && s.State == Resolved && v.reason == "" {
				t.Fatal("a recovery of what was not firing was told")
			}
		}
		want := Resolved
		if open {
			want = Firing
		}
		if h.key.State != want || h.key.Episode != fmt.Sprint(n-1) {
			t.Fatalf("ends as %s of episode %s, want %s of %d", h.key.State, h.key.Episode, want, n-1)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("key", "title", "detail\x00\xff", int64(0))
	f.Fuzz(func(t *testing.T, key, title, detail string, since int64) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s, err := clean(Signal{Key: key, Title: title, Detail: detail, State: Firing, Since: time.Unix(since, 0)}, now)
		if err != nil {
			return
		}
		for _, text := range []string{s.Key, s.Title, s.Detail} {
			if !utf8.ValidString(text) || len(text) > maxDetail {
				t.Fatalf("%q", text)
			}
		}
		if s.Key == "" || s.Title == "" || s.Since.After(now) {
			t.Fatalf("%+v", s)
		}
	})
}

// A clock that was set back must not make a new outage look old (I20): our own
// monitors count their episodes. What others send is put in order by its time.
func TestWeighAfterTheClockWasSetBack(t *testing.T) {
	before := time.Date(2026, 1, 1, 16, 10, 0, 0, time.UTC)
	after := before.Add(-4 * time.Hour)
	key := standing{Seq: 2, Episode: "9", State: Resolved, Since: before, Severity: Critical}
	for _, c := range []struct {
		source  Source
		episode string
		reason  Reason
	}{
		{Monitor, "10", ""}, // the tenth is newer than the ninth, whatever the clock says
		{Monitor, "8", Older},
		{Intake, "10", Older},
	} {
		s := Signal{Source: c.source, Episode: c.episode, State: Firing, Since: after, Severity: Critical}
		if v := weigh(key, "", s); v.reason != c.reason {
			t.Errorf("%s, episode %s: %q, want %q", c.source, c.episode, v.reason, c.reason)
		}
	}
}

// A milder repeat changes nothing unless its source vouches for it; a worse one
// always counts, and easing what has ended or was never open opens nothing.
func TestI20_OnlyAVouchedWordEases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		severities := rapid.SampledFrom([]Severity{Info, Warning, Critical})
		key := standing{Seq: 3, Episode: "1", State: Firing, Severity: severities.Draw(t, "so far")}
		s := Signal{Episode: "1", State: Firing, Severity: severities.Draw(t, "now"), Eased: rapid.Bool().Draw(t, "eased")}
		told := weigh(key, Firing, s).reason == ""
		want := s.Severity.WorseThan(key.Severity) || s.Eased && key.Severity.WorseThan(s.Severity)
		if told != want {
			t.Fatalf("%s after %s, eased %v: told %v", s.Severity, key.Severity, s.Eased, told)
		}
		if v := weigh(key, Resolved, s); v.reason != Ended {
			t.Fatalf("an episode that has ended: %+v", v)
		}
	})
}

// Two occurrences of one thing that began in the same moment are told apart: the end of
// one does not end the other, in whatever order and however often they come. It stands
// as the newer of them, is over when all of them are, and doubt leaves it open (I20).
func TestI20_EpisodesOfOneMoment(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 4).Draw(t, "episodes")
		from := rapid.SampledFrom([]int{1, 8, 98}).Draw(t, "number") // 9 is before 10
		over := map[string]bool{}
		var history []Signal
		for i := range n {
			e := Signal{Source: Intake, Episode: fmt.Sprint(from + i), Since: at, State: Firing, Severity: Critical}
			history = append(history, e)
			if over[e.Episode] = rapid.Bool().Draw(t, "over"); over[e.Episode] {
				e.State = Resolved
				history = append(history, e)
			}
		}
		all := append([]Signal{}, history...)
		for range rapid.IntRange(0, 4).Draw(t, "repeats") {
			all = append(all, rapid.SampledFrom(history).Draw(t, "repeat"))
		}
		h := &heap{episodes: map[string]State{}, since: map[string]time.Time{}}
		for _, s := range rapid.Permutation(all).Draw(t, "order") {
			before := h.key
			if h.record(s); before.State == Firing && h.key.State == Resolved && s.Episode != before.Episode {
				t.Fatalf("the end of %s ends %s", s.Episode, before.Episode)
			}
		}
		newest, every := fmt.Sprint(from+n-1), true
		for _, o := range over {
			every = every && o
		}
		switch {
		case every && h.key.State != Resolved:
			t.Fatalf("all are over, and %s stands open", h.key.Episode)
		case !over[newest] && h.key.State != Firing:
			t.Fatalf("%s is open, and %s ended it", newest, h.key.Episode)
		}
	})
}

// Silence ends what is open and nothing else, and it is a guess: whatever the order,
// a firing word after it opens the key again, unless a word has ended that episode.
// Then the key stands as it does for somebody to whom silence means nothing, or more
// is open.
func TestI20_SilenceIsAGuess(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		guess := &heap{episodes: map[string]State{}, since: map[string]time.Time{}}
		plain := &heap{episodes: map[string]State{}, since: map[string]time.Time{}}
		over := map[string]bool{} // by a word
		for range rapid.IntRange(1, 25).Draw(t, "words") {
			if rapid.IntRange(0, 3).Draw(t, "silence") == 0 {
				before := guess.key
				v := guess.record(Signal{Source: Intake, Episode: before.Episode, State: Resolved, Severity: Critical, QuietSince: start})
				if ends := v.reason == ""; ends != (before.State == Firing) || ends != guess.key.Lapsed && ends {
					t.Fatalf("silence of %+v: %+v", before, v)
				}
				if guess.key.State == Firing {
					t.Fatalf("silence has ended nothing: %+v", guess.key)
				}
				continue
			}
			s := Signal{
				Source: Intake, Episode: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "episode")), Severity: Critical,
				State: rapid.SampledFrom([]State{Firing, Firing, Resolved}).Draw(t, "state"),
				Since: start.Add(time.Duration(rapid.IntRange(-3, 3).Draw(t, "since")) * time.Minute),
			}
			before := guess.key
			v := guess.record(s)
			plain.record(s)
			over[s.Episode] = over[s.Episode] || s.State == Resolved
			if s.State == Firing && before.Lapsed && !over[s.Episode] && (v.reason != "" || guess.key.State != Firing) {
				t.Fatalf("%+v after the silence of %+v: %+v", s, before, v)
			}
			if s.State == Firing && over[s.Episode] && v.reason == "" && guess.key.Episode == s.Episode {
				t.Fatalf("%s has ended by a word and opens again", s.Episode)
			}
			if v.episode == lapsed {
				t.Fatalf("a word leaves %s a guess", s.Episode)
			}
		}
		if guess.key.State == Resolved && !guess.key.Lapsed && plain.key.State == Firing && guess.episodes[plain.key.Episode] == Firing {
			t.Fatalf("%+v stands as over, and %+v is open", guess.key, plain.key)
		}
	})
}
