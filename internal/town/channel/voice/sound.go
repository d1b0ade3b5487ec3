package voice

import (
	"encoding/binary"
	"errors"
	"math"
)

// rate is that of G.711; sound here is 16 bit, one channel, at this rate.
const rate = 8000

// frame is how many samples one packet of 20 ms carries.
const frame = rate / 50

// codec is the payload type of RFC 3551: 8 is A-law, 0 is µ-law.
type codec byte

const (
	alaw codec = 8
	ulaw codec = 0
)

// encode writes samples as G.711.
func (c codec) encode(out []byte, in []int16) {
	for i, s := range in {
		if c == ulaw {
			out[i] = toULaw(s)
		} else {
			out[i] = toALaw(s)
		}
	}
}

// toALaw is ITU-T G.711, A-law: sign, three bits for the segment, four inside it,
// every other bit turned.
func toALaw(s int16) byte {
	sign, v := byte(0x80), int(s)
	if v < 0 {
		sign, v = 0, -v-1
	}
	v >>= 3 // 13 bits
	seg := 0
	for t := v >> 5; t > 0 && seg < 7; t >>= 1 {
		seg++
	}
	low := v >> 1 & 0x0f
	if seg > 1 {
		low = v >> seg & 0x0f
	}
	return (sign | byte(seg<<4) | byte(low)) ^ 0x55
}

// toULaw is ITU-T G.711, µ-law: with a bias of 33 in 14 bits, all bits turned.
func toULaw(s int16) byte {
	sign, v := byte(0), int(s)
	if v < 0 {
		sign, v = 0x80, -v
	}
	v = min(v, 32635) + 132
	seg := 7
	for mask := 0x4000; v&mask == 0 && seg > 0; mask >>= 1 {
		seg--
	}
	return ^(sign | byte(seg<<4) | byte(v>>(seg+3)&0x0f))
}

// errSound says that a program wrote no sound that can be played.
var errSound = errors.New("voice: the speech is no WAV with 16 bit and one channel")

// wav reads what a speech program wrote. Its length may be unknown to it, so
// whatever follows the head of the data is sound.
func wav(b []byte) (samples []int16, hertz int, err error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, 0, errSound
	}
	for b = b[12:]; len(b) >= 8; {
		name, size := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:8]))
		body := b[8:]
		if name == "data" {
			if hertz < rate/2 || hertz > 192_000 {
				return nil, 0, errSound
			}
			body = body[:min(size, int64(len(body)))&^1]
			samples = make([]int16, len(body)/2)
			for i := range samples {
				samples[i] = int16(binary.LittleEndian.Uint16(body[2*i:])) //nolint:gosec // two bytes are the sample
			}
			return samples, hertz, nil
		}
		if size > int64(len(body)) {
			break
		}
		if name == "fmt " {
			if size < 16 || binary.LittleEndian.Uint16(body) != 1 || binary.LittleEndian.Uint16(body[2:]) != 1 || binary.LittleEndian.Uint16(body[14:]) != 16 {
				return nil, 0, errSound
			}
			hertz = int(binary.LittleEndian.Uint32(body[4:]))
		}
		b = body[min(size+size&1, int64(len(body))):]
	}
	return nil, 0, errSound
}

// resample brings sound to [rate] through a windowed sinc, which also takes away
// what a telephone line cannot carry.
func resample(in []int16, hertz int) []int16 {
	if hertz == rate || len(in) == 0 {
		return in
	}
	const half = 16 // zero crossings on each side
	ratio := float64(hertz) / rate
	cut := min(1, 1/ratio) * 0.95
	out := make([]int16, int(float64(len(in))/ratio))
	reach := half / cut
	for i := range out {
		at := float64(i) * ratio
		sum := 0.0
		for k := max(0, int(at-reach)+1); k <= min(len(in)-1, int(at+reach)); k++ {
			x := at - float64(k)
			w := 0.5 + 0.5*math.Cos(math.Pi*x/reach)
			sum += float64(in[k]) * cut * sinc(cut*x) * w
		}
		out[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(sum))))
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// tone is a sound of one pitch, soft at its edges.
func tone(hertz float64, seconds float64) []int16 {
	n := int(seconds * rate)
	out := make([]int16, n)
	for i := range out {
		edge := min(1, float64(min(i, n-1-i))/80)
		out[i] = int16(9000 * edge * math.Sin(2*math.Pi*hertz*float64(i)/rate))
	}
	return out
}

// alarmTone is what is heard where nothing can be spoken: three rising pairs.
func alarmTone() []int16 {
	var out []int16
	for range 3 {
		out = append(append(out, tone(660, 0.3)...), tone(880, 0.5)...)
		out = append(out, quiet(0.3)...)
	}
	return out
}

// quiet is silence.
func quiet(seconds float64) []int16 { return make([]int16, int(seconds*rate)) }
