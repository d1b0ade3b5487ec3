package voice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
	"unicode"
)

// Speaker turns a text of a language ("de", "en") into sound: 16 bit, one channel,
// 8000 samples a second.
type Speaker func(ctx context.Context, text, language string) ([]int16, error)

const (
	maxText   = 600      // runes that are spoken
	maxSpeech = 16 << 20 // of a speech program's output
	speechMax = 10 * time.Second
)

// Espeak speaks by the program espeak-ng of Debian.
func Espeak(ctx context.Context, text, language string) ([]int16, error) {
	ctx, cancel := context.WithTimeout(ctx, speechMax)
	defer cancel()
	tongue := "de"
	if strings.HasPrefix(language, "en") {
		tongue = "en-gb"
	}
	// The text comes by standard input: nothing in it can be an option.
	cmd := exec.CommandContext(ctx, "espeak-ng", "-v", tongue, "-s", "140", "-b", "1", "--stdin", "--stdout")
	cmd.Stdin, cmd.WaitDelay = strings.NewReader(plain(text)), time.Second
	out := &bounded{}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("voice: espeak-ng: %w", err)
	}
	samples, hertz, err := wav(out.Bytes())
	if err != nil {
		return nil, err
	}
	samples = resample(samples, hertz)
	if len(samples) < rate/4 {
		return nil, errors.New("voice: espeak-ng said nothing")
	}
	return samples, nil
}

// bounded takes no more than any message is long.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxSpeech {
		return 0, errors.New("voice: the speech is too long")
	}
	return b.Buffer.Write(p)
}

// plain is a text as it is spoken: no addresses, no control signs, not endless.
func plain(text string) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(text, " "), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	kept := words[:0]
	for _, w := range words {
		if !strings.Contains(w, "://") {
			kept = append(kept, w)
		}
	}
	if r := []rune(strings.Join(kept, " ")); len(r) > maxText {
		return string(r[:maxText])
	}
	return strings.Join(kept, " ")
}
