//! Choosing the target by a click on a sprite in the world.

use bevy::picking::Pickable;
use bevy::prelude::*;

use super::GenPanel;
use crate::generate::gen_path;

/// Marks sprites that are pickable only because the panel is choosing a target.
#[derive(Component)]
pub(super) struct PickableForPanel;

/// Bevy's sprite picking looks only at sprites with `Pickable`; a game that uses none must be pickable too.
pub(super) fn mark_pickable(
    panel: Res<GenPanel>,
    sprites: Query<(Entity, &Sprite), Without<Pickable>>,
    marked: Query<Entity, With<PickableForPanel>>,
    mut commands: Commands,
) {
    if panel.picking {
        for (entity, _) in sprites.iter().filter(|(_, sprite)| gen_path(sprite).is_some()) {
            commands.entity(entity).insert((Pickable::default(), PickableForPanel));
        }
    } else {
        for entity in &marked {
            commands.entity(entity).remove::<(Pickable, PickableForPanel)>();
        }
    }
}

/// A click with the main button on a sprite in the world makes it the target, while the panel is choosing one.
pub(super) fn pick_target(click: On<Pointer<Click>>, mut panel: ResMut<GenPanel>, sprites: Query<&Sprite>) {
    if !panel.picking || click.button != PointerButton::Primary {
        return;
    }
    if let Some(path) = sprites.get(click.event().entity).ok().and_then(gen_path) {
        panel.state.target = Some(path);
        // At once: the click goes on to the parents, and only the sprite that was hit is meant.
        panel.picking = false;
    }
}
