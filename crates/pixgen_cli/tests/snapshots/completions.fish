# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dgx_pixels_global_optspecs
    string join \n json q/quiet color= config= h/help V/version
end

function __fish_dgx_pixels_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dgx_pixels_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dgx_pixels_using_subcommand
    set -l cmd (__fish_dgx_pixels_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -s V -l version -d 'Print version'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "generate" -d 'Draw one sprite, or several of the same prompt'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "generate-tileset" -d 'Draw a set of tiles that repeat without seams'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "generate-animation" -d 'Draw the frames of an animation'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "batch" -d 'Draw one sprite for every line of a file'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "bake" -d 'Draw the sprites of a game\'s recipes that are missing or stale'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "fix" -d 'Make true pixel art of any picture'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "compare" -d 'Draw the same with several models, LoRAs, prompts and seeds, side by side'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "models" -d 'List, add, download, check and remove models'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "palettes" -d 'The palettes that are built in, and what is in a palette file'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "styles" -d 'The looks that --style knows'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "info" -d 'How a sprite was drawn, as a recipe that draws it again'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "config" -d 'What is set, and by whom'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "completions" -d 'A completion script for a shell'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "man" -d 'The manual page'
complete -c dgx-pixels -n "__fish_dgx_pixels_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l model -d 'What draws: embedded, a name of `dgx-pixels models list`, a folder in diffusers layout, or a .safetensors checkpoint [default: the embedded model]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0 [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l style -d 'Prompt words, palette, size and outline under one name: see `dgx-pixels styles`' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l size -d 'Edge of the sprite in pixels [default: 32]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l negative-prompt -d 'What to keep out of the picture' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l recipe -d 'Start from a recipe *.sprite.ron, or from a PNG that says how it was drawn; everything else that is said changes it' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l palette -d 'Colours of the sprite: own, auto, a name of `dgx-pixels palettes`, a palette file, or #rrggbb,#rrggbb …' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l colors -d 'Most colours in the sprite, 2 to 256 [default: 16]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l dither -d 'How few colours are made to look like more [default: none]' -r -f -a "none\t''
bayer2\t''
bayer4\t''
bayer8\t''
blue-noise\t''
floyd-steinberg\t''
atkinson\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l dither-strength -d 'How strong the dithering is, 0 to 1 [default: 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l outline -d 'The outline: keep, remove, #rrggbb draws one around the figure, inner:#rrggbb on its rim, recolor:#rrggbb [default: keep]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l background -d 'The background: auto, keep, remove, or the colour #rrggbb that is cut out [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l keep-background -d 'The same as --background keep' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l holes -d 'Cut out enclosed parts of the background too' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l orphans -d 'Give lone pixels the colour around them' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l jaggies -d 'Thin the doubled corners of outlines' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l symmetry -d 'Mirror one half onto the other [default: none]' -r -f -a "none\t''
left\t''
right\t''
top\t''
bottom\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l downscale -d 'How the pixels of a painted cell become one [default: auto]' -r -f -a "auto\t''
k-centroid\t''
majority\t''
center\t''
median\t''
content-adaptive\t''
restore\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l anchor -d 'Where the sprite stands in its frame [default: what the kind wants]' -r -f -a "keep\t''
center\t''
feet\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l seed -d 'Seed of the first sprite [default: drawn]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l steps -d 'Denoising steps [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l guidance-scale -l guidance -d 'How closely the prompt is followed, 1 to 30 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l guidance-rescale -d 'How far strong guidance is toned down, 0 to 1 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l scheduler -d 'The solver [default: the model\'s]' -r -f -a "euler\t''
euler-ancestral\t''
ddim\t''
dpmpp2m\t''
dpmpp2m-sde\t''
unipc\t''
lcm\t''
tcd\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l lora -d 'An adapter, NAME or FILE with its weight: pixels:0.8. May be given several times' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l vae -d 'Another autoencoder than the model\'s own: a .safetensors file, or a folder in diffusers layout' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l clip-skip -d 'Layers of the text encoders that are skipped [default: 0]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l from -d 'Start from this picture instead of noise' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l strength -d 'How much of the picture is drawn anew, 0 to 1 [default: 0.6]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l mask -d 'Draw anew only where this picture is white' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l count -d 'How many sprites; each counts the seed up by one [default: 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l seamless -d 'Let the picture repeat without a seam' -r -f -a "none\t'It does not'
x\t'From left to right'
y\t'From top to bottom'
both\t'Both ways'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -s o -l output -d 'A PNG to write, or a folder [default: ./output/PROMPT.png]. No file is ever replaced: -2, -3 … are added' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l preview -d 'Show the sprites in the terminal (kitty, iTerm2, sixel or half blocks)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l prompt -d 'What the tiles show, in English words' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l variations -d 'How many tiles; all of them fit to each other' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l seamless -d 'Along which axes the tiles repeat without a seam' -r -f -a "none\t'It does not'
x\t'From left to right'
y\t'From top to bottom'
both\t'Both ways'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l layout -d 'How the tiles lie in the picture' -r -f -a "single\t'A PNG, a .sheet.ron and a .tsx for each tile'
strip\t'Side by side in one row'
grid\t'In rows and columns, as square as it goes'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l tries -d 'Drawings of a tile before the best is taken' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l model -d 'What draws: embedded, a name of `dgx-pixels models list`, a folder in diffusers layout, or a .safetensors checkpoint [default: the embedded model]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0 [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l style -d 'Prompt words, palette, size and outline under one name: see `dgx-pixels styles`' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l size -d 'Edge of the sprite in pixels [default: 32]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l negative-prompt -d 'What to keep out of the picture' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l recipe -d 'Start from a recipe *.sprite.ron, or from a PNG that says how it was drawn; everything else that is said changes it' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l palette -d 'Colours of the sprite: own, auto, a name of `dgx-pixels palettes`, a palette file, or #rrggbb,#rrggbb …' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l colors -d 'Most colours in the sprite, 2 to 256 [default: 16]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l dither -d 'How few colours are made to look like more [default: none]' -r -f -a "none\t''
bayer2\t''
bayer4\t''
bayer8\t''
blue-noise\t''
floyd-steinberg\t''
atkinson\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l dither-strength -d 'How strong the dithering is, 0 to 1 [default: 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l outline -d 'The outline: keep, remove, #rrggbb draws one around the figure, inner:#rrggbb on its rim, recolor:#rrggbb [default: keep]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l background -d 'The background: auto, keep, remove, or the colour #rrggbb that is cut out [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l keep-background -d 'The same as --background keep' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l holes -d 'Cut out enclosed parts of the background too' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l orphans -d 'Give lone pixels the colour around them' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l jaggies -d 'Thin the doubled corners of outlines' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l symmetry -d 'Mirror one half onto the other [default: none]' -r -f -a "none\t''
left\t''
right\t''
top\t''
bottom\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l downscale -d 'How the pixels of a painted cell become one [default: auto]' -r -f -a "auto\t''
k-centroid\t''
majority\t''
center\t''
median\t''
content-adaptive\t''
restore\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l anchor -d 'Where the sprite stands in its frame [default: what the kind wants]' -r -f -a "keep\t''
center\t''
feet\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l seed -d 'Seed of the first sprite [default: drawn]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l steps -d 'Denoising steps [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l guidance-scale -l guidance -d 'How closely the prompt is followed, 1 to 30 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l guidance-rescale -d 'How far strong guidance is toned down, 0 to 1 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l scheduler -d 'The solver [default: the model\'s]' -r -f -a "euler\t''
euler-ancestral\t''
ddim\t''
dpmpp2m\t''
dpmpp2m-sde\t''
unipc\t''
lcm\t''
tcd\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l lora -d 'An adapter, NAME or FILE with its weight: pixels:0.8. May be given several times' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l vae -d 'Another autoencoder than the model\'s own: a .safetensors file, or a folder in diffusers layout' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l clip-skip -d 'Layers of the text encoders that are skipped [default: 0]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l from -d 'Start from this picture instead of noise' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l strength -d 'How much of the picture is drawn anew, 0 to 1 [default: 0.6]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l mask -d 'Draw anew only where this picture is white' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -s o -l output -d 'A PNG to write, or a folder [default: ./output/PROMPT.png]. Beside it are PROMPT.sheet.ron and PROMPT.tsx' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l floor -d 'Also draw a floor of N×N tiles at random, to see them side by side: PROMPT-floor.png' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l preview -d 'Show the tiles in the terminal'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-tileset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l prompt -d 'Who moves, in English words' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l kind -d 'What the figure is [default: character]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l frames -d 'Frames of the animation, 2 to 16 [default: 4]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l type -d 'What the figure does: idle, walk, attack, or other words [default: idle]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l frame-ms -d 'How long a frame is shown, in milliseconds [default: 150]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l variation -d 'How far the frames may differ, 0 to 1 [default: what the motion wants]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l calm -d 'Keep what changes by a shade without moving as it was, so that nothing shimmers [default: true]' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l gif-scale -d 'How many times the GIF is enlarged' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l model -d 'What draws: embedded, a name of `dgx-pixels models list`, a folder in diffusers layout, or a .safetensors checkpoint [default: the embedded model]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0 [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l style -d 'Prompt words, palette, size and outline under one name: see `dgx-pixels styles`' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l size -d 'Edge of the sprite in pixels [default: 32]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l negative-prompt -d 'What to keep out of the picture' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l recipe -d 'Start from a recipe *.sprite.ron, or from a PNG that says how it was drawn; everything else that is said changes it' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l palette -d 'Colours of the sprite: own, auto, a name of `dgx-pixels palettes`, a palette file, or #rrggbb,#rrggbb …' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l colors -d 'Most colours in the sprite, 2 to 256 [default: 16]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l dither -d 'How few colours are made to look like more [default: none]' -r -f -a "none\t''
bayer2\t''
bayer4\t''
bayer8\t''
blue-noise\t''
floyd-steinberg\t''
atkinson\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l dither-strength -d 'How strong the dithering is, 0 to 1 [default: 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l outline -d 'The outline: keep, remove, #rrggbb draws one around the figure, inner:#rrggbb on its rim, recolor:#rrggbb [default: keep]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l background -d 'The background: auto, keep, remove, or the colour #rrggbb that is cut out [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l keep-background -d 'The same as --background keep' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l holes -d 'Cut out enclosed parts of the background too' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l orphans -d 'Give lone pixels the colour around them' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l jaggies -d 'Thin the doubled corners of outlines' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l symmetry -d 'Mirror one half onto the other [default: none]' -r -f -a "none\t''
left\t''
right\t''
top\t''
bottom\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l downscale -d 'How the pixels of a painted cell become one [default: auto]' -r -f -a "auto\t''
k-centroid\t''
majority\t''
center\t''
median\t''
content-adaptive\t''
restore\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l anchor -d 'Where the sprite stands in its frame [default: what the kind wants]' -r -f -a "keep\t''
center\t''
feet\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l seed -d 'Seed of the first sprite [default: drawn]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l steps -d 'Denoising steps [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l guidance-scale -l guidance -d 'How closely the prompt is followed, 1 to 30 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l guidance-rescale -d 'How far strong guidance is toned down, 0 to 1 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l scheduler -d 'The solver [default: the model\'s]' -r -f -a "euler\t''
euler-ancestral\t''
ddim\t''
dpmpp2m\t''
dpmpp2m-sde\t''
unipc\t''
lcm\t''
tcd\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l lora -d 'An adapter, NAME or FILE with its weight: pixels:0.8. May be given several times' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l vae -d 'Another autoencoder than the model\'s own: a .safetensors file, or a folder in diffusers layout' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l clip-skip -d 'Layers of the text encoders that are skipped [default: 0]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l from -d 'Start from this picture instead of noise' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l strength -d 'How much of the picture is drawn anew, 0 to 1 [default: 0.6]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l mask -d 'Draw anew only where this picture is white' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -s o -l output -d 'A PNG to write, or a folder [default: ./output/PROMPT.png]. Beside it are PROMPT.sheet.ron, PROMPT.json and PROMPT.gif' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l preview -d 'Show the frames in the terminal'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand generate-animation" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l format -d 'How the file is written [default: what its extension says, else text]' -r -f -a "text\t'One prompt a line, options behind `|`, comments behind `#` at the start of a line'
csv\t'A table with a head line; the column `prompt` is needed, the others are options'
jsonl\t'One object a line; the key `prompt` is needed, the others are options'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l kind -d 'What the sprites show, where a line does not say it [default: item]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l model -d 'What draws: embedded, a name of `dgx-pixels models list`, a folder in diffusers layout, or a .safetensors checkpoint [default: the embedded model]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0 [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l style -d 'Prompt words, palette, size and outline under one name: see `dgx-pixels styles`' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l size -d 'Edge of the sprite in pixels [default: 32]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l negative-prompt -d 'What to keep out of the picture' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l recipe -d 'Start from a recipe *.sprite.ron, or from a PNG that says how it was drawn; everything else that is said changes it' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l palette -d 'Colours of the sprite: own, auto, a name of `dgx-pixels palettes`, a palette file, or #rrggbb,#rrggbb …' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l colors -d 'Most colours in the sprite, 2 to 256 [default: 16]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l dither -d 'How few colours are made to look like more [default: none]' -r -f -a "none\t''
bayer2\t''
bayer4\t''
bayer8\t''
blue-noise\t''
floyd-steinberg\t''
atkinson\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l dither-strength -d 'How strong the dithering is, 0 to 1 [default: 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l outline -d 'The outline: keep, remove, #rrggbb draws one around the figure, inner:#rrggbb on its rim, recolor:#rrggbb [default: keep]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l background -d 'The background: auto, keep, remove, or the colour #rrggbb that is cut out [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l keep-background -d 'The same as --background keep' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l holes -d 'Cut out enclosed parts of the background too' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l orphans -d 'Give lone pixels the colour around them' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l jaggies -d 'Thin the doubled corners of outlines' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l symmetry -d 'Mirror one half onto the other [default: none]' -r -f -a "none\t''
left\t''
right\t''
top\t''
bottom\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l downscale -d 'How the pixels of a painted cell become one [default: auto]' -r -f -a "auto\t''
k-centroid\t''
majority\t''
center\t''
median\t''
content-adaptive\t''
restore\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l anchor -d 'Where the sprite stands in its frame [default: what the kind wants]' -r -f -a "keep\t''
center\t''
feet\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l seed -d 'Seed of the first sprite [default: drawn]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l steps -d 'Denoising steps [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l guidance-scale -l guidance -d 'How closely the prompt is followed, 1 to 30 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l guidance-rescale -d 'How far strong guidance is toned down, 0 to 1 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l scheduler -d 'The solver [default: the model\'s]' -r -f -a "euler\t''
euler-ancestral\t''
ddim\t''
dpmpp2m\t''
dpmpp2m-sde\t''
unipc\t''
lcm\t''
tcd\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l lora -d 'An adapter, NAME or FILE with its weight: pixels:0.8. May be given several times' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l vae -d 'Another autoencoder than the model\'s own: a .safetensors file, or a folder in diffusers layout' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l clip-skip -d 'Layers of the text encoders that are skipped [default: 0]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l from -d 'Start from this picture instead of noise' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l strength -d 'How much of the picture is drawn anew, 0 to 1 [default: 0.6]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l mask -d 'Draw anew only where this picture is white' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l jobs -d 'Lines that are drawn at once [default: one a core with the embedded model on the CPU, else 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l joint-palette -d 'One palette of N colours for all sprites [without N: 32]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -s o -l output -d 'The folder to write to [default: ./output]' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l no-contact-sheet -d 'Draw no picture of all sprites'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand batch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -l assets -d 'The folder of the game\'s assets, in which recipes may name files [default: the one called assets, else FOLDER]' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0 [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -l check -d 'Draw nothing: print the recipes whose sprite is missing, stale or damaged, and exit with 3 if there are any'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -l force -d 'Replace pictures that were not drawn by this program, too'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand bake" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l preset -d 'Options under one name: default keeps pixel art as it is, sprite-16 and others clean up more. A wrong name lists them' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l target -d 'Size of the sprite: 48x32, or 32 for the longer edge [default: found in the picture]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l scale -d 'Edge of one sprite pixel in the picture, whole or not [default: found in the picture]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l specks -d 'Remove groups of loose pixels up to this size, 0 to 64 [default: 0]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l palette -d 'Colours of the sprite: own, auto, a name of `dgx-pixels palettes`, a palette file, or #rrggbb,#rrggbb …' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l colors -d 'Most colours in the sprite, 2 to 256 [default: 16]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l dither -d 'How few colours are made to look like more [default: none]' -r -f -a "none\t''
bayer2\t''
bayer4\t''
bayer8\t''
blue-noise\t''
floyd-steinberg\t''
atkinson\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l dither-strength -d 'How strong the dithering is, 0 to 1 [default: 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l outline -d 'The outline: keep, remove, #rrggbb draws one around the figure, inner:#rrggbb on its rim, recolor:#rrggbb [default: keep]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l background -d 'The background: auto, keep, remove, or the colour #rrggbb that is cut out [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l keep-background -d 'The same as --background keep' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l holes -d 'Cut out enclosed parts of the background too' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l orphans -d 'Give lone pixels the colour around them' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l jaggies -d 'Thin the doubled corners of outlines' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l symmetry -d 'Mirror one half onto the other [default: none]' -r -f -a "none\t''
left\t''
right\t''
top\t''
bottom\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l downscale -d 'How the pixels of a painted cell become one [default: auto]' -r -f -a "auto\t''
k-centroid\t''
majority\t''
center\t''
median\t''
content-adaptive\t''
restore\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l anchor -d 'Where the sprite stands in its frame [default: what the kind wants]' -r -f -a "keep\t''
center\t''
feet\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l before-after -d 'Also write a picture of all pictures before and after' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -s o -l output -d 'The folder to write to, or a PNG for a single picture [default: ./output]' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l remove-background -d 'Cut the sprite out of its background'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l joint -d 'One palette for all pictures'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand fix" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l kind -d 'What the sprites show' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l models -d 'The models, with commas between them; each is a column [default: --model]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l loras -d 'LoRAs with commas between them, as none,pixels:0.8; each is a column for every model [default: --lora]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l seeds -d 'The seeds, with commas between them; each is a row [default: 0,1,2, or --seed]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l model -d 'What draws: embedded, a name of `dgx-pixels models list`, a folder in diffusers layout, or a .safetensors checkpoint [default: the embedded model]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0 [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l style -d 'Prompt words, palette, size and outline under one name: see `dgx-pixels styles`' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l size -d 'Edge of the sprite in pixels [default: 32]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l negative-prompt -d 'What to keep out of the picture' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l recipe -d 'Start from a recipe *.sprite.ron, or from a PNG that says how it was drawn; everything else that is said changes it' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l palette -d 'Colours of the sprite: own, auto, a name of `dgx-pixels palettes`, a palette file, or #rrggbb,#rrggbb …' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l colors -d 'Most colours in the sprite, 2 to 256 [default: 16]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l dither -d 'How few colours are made to look like more [default: none]' -r -f -a "none\t''
bayer2\t''
bayer4\t''
bayer8\t''
blue-noise\t''
floyd-steinberg\t''
atkinson\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l dither-strength -d 'How strong the dithering is, 0 to 1 [default: 1]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l outline -d 'The outline: keep, remove, #rrggbb draws one around the figure, inner:#rrggbb on its rim, recolor:#rrggbb [default: keep]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l background -d 'The background: auto, keep, remove, or the colour #rrggbb that is cut out [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l keep-background -d 'The same as --background keep' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l holes -d 'Cut out enclosed parts of the background too' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l orphans -d 'Give lone pixels the colour around them' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l jaggies -d 'Thin the doubled corners of outlines' -r -f -a "true\t''
false\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l symmetry -d 'Mirror one half onto the other [default: none]' -r -f -a "none\t''
left\t''
right\t''
top\t''
bottom\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l downscale -d 'How the pixels of a painted cell become one [default: auto]' -r -f -a "auto\t''
k-centroid\t''
majority\t''
center\t''
median\t''
content-adaptive\t''
restore\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l anchor -d 'Where the sprite stands in its frame [default: what the kind wants]' -r -f -a "keep\t''
center\t''
feet\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l seed -d 'Seed of the first sprite [default: drawn]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l steps -d 'Denoising steps [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l guidance-scale -l guidance -d 'How closely the prompt is followed, 1 to 30 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l guidance-rescale -d 'How far strong guidance is toned down, 0 to 1 [default: the model\'s]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l scheduler -d 'The solver [default: the model\'s]' -r -f -a "euler\t''
euler-ancestral\t''
ddim\t''
dpmpp2m\t''
dpmpp2m-sde\t''
unipc\t''
lcm\t''
tcd\t''"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l lora -d 'An adapter, NAME or FILE with its weight: pixels:0.8. May be given several times' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l vae -d 'Another autoencoder than the model\'s own: a .safetensors file, or a folder in diffusers layout' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l clip-skip -d 'Layers of the text encoders that are skipped [default: 0]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l from -d 'Start from this picture instead of noise' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l strength -d 'How much of the picture is drawn anew, 0 to 1 [default: 0.6]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l mask -d 'Draw anew only where this picture is white' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -s o -l output -d 'The folder to write to, or a PNG [default: ./output/compare.png]' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -f -a "list" -d 'The models that can be named with --model'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -f -a "add" -d 'Give a model that lies elsewhere a name'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -f -a "download" -d 'Download a model from the Hugging Face Hub (HF_ENDPOINT and HF_TOKEN are used). It goes on after a break'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -f -a "check" -d 'Load a model and draw a single step, to see that it works here'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -f -a "remove" -d 'Forget a model that was added, or delete the files of one that was downloaded'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and not __fish_seen_subcommand_from list add download check remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from list" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from list" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from add" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from add" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from add" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -l revision -d 'A branch, a tag or a commit' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -l file -d 'One .safetensors file of the repository instead of the diffusers layout' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -l full-precision -d 'Full-precision weights where there are two kinds'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from download" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from check" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from check" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from check" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from check" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from remove" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from remove" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from remove" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "list" -d 'The models that can be named with --model'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "add" -d 'Give a model that lies elsewhere a name'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "download" -d 'Download a model from the Hugging Face Hub (HF_ENDPOINT and HF_TOKEN are used). It goes on after a break'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "check" -d 'Load a model and draw a single step, to see that it works here'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Forget a model that was added, or delete the files of one that was downloaded'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand models; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -f -a "list" -d 'The built-in palettes: name, colours, origin'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -f -a "show" -d 'The colours of a palette, one #rrggbb a line'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and not __fish_seen_subcommand_from list show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from list" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from list" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from show" -s o -l output -d 'Write them as a palette file instead: hex, gpl, pal, act, ase, aseprite, png or txt, by the extension' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from show" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from show" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from help" -f -a "list" -d 'The built-in palettes: name, colours, origin'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from help" -f -a "show" -d 'The colours of a palette, one #rrggbb a line'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand palettes; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand styles" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand styles" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand styles" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand styles" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand styles" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand info" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand info" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand info" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand info" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -f -a "show" -d 'Every setting with its value and where that comes from: a flag, an environment variable, the file, or nowhere'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -f -a "path" -d 'Where the configuration file is, or would be'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -f -a "init" -d 'Write a configuration file with every setting commented out'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and not __fish_seen_subcommand_from show path init help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -l model -d 'What draws: embedded, a name of `dgx-pixels models list`, a folder in diffusers layout, or a .safetensors checkpoint [default: the embedded model]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -l device -d 'Where to draw: auto, cpu, cuda:0, metal:0 [default: auto]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -l style -d 'Prompt words, palette, size and outline under one name: see `dgx-pixels styles`' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -l size -d 'Edge of the sprite in pixels [default: 32]' -r
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from path" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from path" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from path" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from path" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from path" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from init" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from init" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from init" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from init" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Every setting with its value and where that comes from: a flag, an environment variable, the file, or nowhere'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "path" -d 'Where the configuration file is, or would be'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "init" -d 'Write a configuration file with every setting commented out'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand completions" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand completions" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand completions" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand completions" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand man" -l color -d 'Colours in what goes to stderr' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also in files and pipes'
never\t'Nowhere'"
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand man" -l config -d 'Read this configuration file instead of the user\'s' -r -F
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand man" -l json -d 'Print events, one JSON object a line, instead of paths'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand man" -s q -l quiet -d 'Print neither progress nor notes'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "generate" -d 'Draw one sprite, or several of the same prompt'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "generate-tileset" -d 'Draw a set of tiles that repeat without seams'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "generate-animation" -d 'Draw the frames of an animation'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "batch" -d 'Draw one sprite for every line of a file'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "bake" -d 'Draw the sprites of a game\'s recipes that are missing or stale'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "fix" -d 'Make true pixel art of any picture'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "compare" -d 'Draw the same with several models, LoRAs, prompts and seeds, side by side'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "models" -d 'List, add, download, check and remove models'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "palettes" -d 'The palettes that are built in, and what is in a palette file'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "styles" -d 'The looks that --style knows'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "info" -d 'How a sprite was drawn, as a recipe that draws it again'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "config" -d 'What is set, and by whom'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "completions" -d 'A completion script for a shell'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "man" -d 'The manual page'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and not __fish_seen_subcommand_from generate generate-tileset generate-animation batch bake fix compare models palettes styles info config completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "list" -d 'The models that can be named with --model'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "add" -d 'Give a model that lies elsewhere a name'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "download" -d 'Download a model from the Hugging Face Hub (HF_ENDPOINT and HF_TOKEN are used). It goes on after a break'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "check" -d 'Load a model and draw a single step, to see that it works here'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from models" -f -a "remove" -d 'Forget a model that was added, or delete the files of one that was downloaded'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from palettes" -f -a "list" -d 'The built-in palettes: name, colours, origin'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from palettes" -f -a "show" -d 'The colours of a palette, one #rrggbb a line'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Every setting with its value and where that comes from: a flag, an environment variable, the file, or nowhere'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "path" -d 'Where the configuration file is, or would be'
complete -c dgx-pixels -n "__fish_dgx_pixels_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "init" -d 'Write a configuration file with every setting commented out'
