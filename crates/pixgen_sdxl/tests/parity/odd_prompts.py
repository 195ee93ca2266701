"""Prompts that tokenizers stumble over, for the fixtures of both scripts."""

PROMPTS = [
    "",
    " ",
    "a blue potion",
    "A BLUE   Potion\n\twith  tabs\r\nand lines",
    "the knight's sword; it's, we've, I'm, they'll, he'd, can't, you're",
    "32x32 pixel-art sprite no. 7, 16-bit!!!",
    "cafe\u0301 re\u0301sume\u0301 \u212b A\u030a \ufb01",  # decomposed letters, the angstrom sign, a ligature
    "ΟΔΥΣΣΕΥΣ ὈΔΥΣΣΕΎΣ σς Σ",  # final sigma
    "İstanbul DŽ ẞ ŉ",  # letters whose lower case is longer
    "🧙‍♂️ wizard 👩🏽‍🚀 🇩🇪 ☃️",
    "青い薬 포션 зелье جرعة שיקוי",
    "a\u0000b\u0007c\u001bd\u007fe\u0085f\u00adg\u200bh\ufeffi",  # control and invisible characters
    "\u00a0non\u2003breaking\u3000spaces\u2028lines\u2029",
    "a <|endoftext|> in the <|startoftext|> text",
    "<|endoftext|>",
    "<|ENDOFTEXT|> <|StartOfText|> <|endoftext |> <|pad|>",
    "hello! world!! ! <end_of_text> <start_of_text>",
    "½ ² ⅷ ٣ ௧ 1234 3.14",
    "under_score snake_case __init__ a-b_c",
    "\"quotes\" 'single' `back` “curly” ’apostrophe’s",
    "x" * 120,
    "long " * 100,
    "a brave knight with a silver sword and a red cape, " * 6,
    "\\ / | ~ ^ @ # $ % & * ( ) [ ] { } + = < > ? ; :",
    "a\u0301\u0302\u0303\u0304 zalgo t\u0336e\u0336x\u0336t",
    "\ud7ff\ue000\ufffd\U0010ffff",
]

# Only for the standard vocabulary: the numbers of the prompts above are names in the other fixtures.
MORE_PROMPTS = [
    "a photo of a cat",
    "masterpiece, best quality, 1girl, solo, (detailed:1.2), <lora:pixel:0.8>",
    "hello!",
    "!",
    "!!! !! ! a!b !a! wow!?",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "I'M YOU'RE HE'S DON'T I'LL WE'VE SHE'D IT'S 'Twas 's 't",
    "it\u2019s don\u2019t \u02bcn",  # typographic apostrophes are no contractions
    "ﬀ ﬁ ﬂ ĳ Ǆ ǆ ǅ",
    "ΣΑΣ ΌΣ. σΣ Σ' ΑΣ\u0301 ᾳ ᾼ ΐ",
    "\u1e9e STRASSE straße \u0130 \u0131 I i\u0307",
    "한국어 \u1112\u1161\u11ab 각 \u1100\u1161\u11a8",  # syllables and the letters that they are composed from
    "नमस्ते ক্ষ ไทย ខ្មែរ မြန်မာ",
    "مرحبا \u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627 \u202eright to left\u202c",
    "👨‍👩‍👧‍👦 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 1️⃣ #️⃣ ❤️ ❤ 🫠",
    "\U0001d400\U0001d401 Ⓐ ① Ⅻ 𝟘 ㍿ ℃",
    "\u2126 \u2127 K Å Å",  # Ohm, Kelvin and Angstrom signs
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\u180e",
    "\u0000",
    "\ufeffa\ufeff \u200e\u200f\u2060b",
    "<|endoftext|><|endoftext|>a<|startoftext|>b",
    "x<|endoftext|>x <|ENDOFTEXT|>x < |endoftext|> <|endoftext|",
    "</w> a</w> Ġa #version: 0.2",
    "0123456789 1,000,000.00 -5 +7 1e10 0xFF 2nd 3D",
    "a.b.c e.g. www.example.org/path?q=1&r=2#top user@example.org",
    "«guillemets» „low“ … — – ‐ ‑ § ¶ † ‡ • ° ± × ÷",
    "snake__case--kebab~~~tilde===equals///slashes\\\\backslashes",
    "z\u0310\u0342\u0300\u0315a\u0334\u0335l\u0353g\u0348o\u0321",
    "\U0001f468\u200d \u200d \ufe0f",
    "\u0e33 \u0f77 \u0f81 \u2adc \ufb1d \U0001d15e",  # compositions that normalization excludes
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ ÀÉÎÕÜ ЁЙ ԱԲ Ⴀ Ა Ꭰ ꭰ",
]
