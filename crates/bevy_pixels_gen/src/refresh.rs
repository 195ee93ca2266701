//! Refreshes what Bevy derives from an image and does not derive again when the image gets another size.
//!
//! Sprites keep the bounds by which they are culled and picked, and materials keep the texture on the graphics card. So
//! a sprite that is generated anew, or a placeholder that becomes one, would be drawn with what was there before.
//! Everything in a game that shows a `Sprite` or `SpriteMesh` is taken care of; so are `ColorMaterial` and Bevy's
//! tilemap chunks with the feature `materials`. For a material of your own implement [`ShowsImages`] and add
//! [`RefreshMaterials`].

use std::fmt;
use std::marker::PhantomData;

use bevy::asset::AssetEventSystems;
use bevy::camera::visibility::VisibilitySystems;
use bevy::platform::collections::{HashMap, HashSet};
use bevy::prelude::*;

use crate::PixelsGenSystems;

/// Images that have another size or format since the last frame.
#[derive(Resource, Default)]
struct ResizedImages {
    known: HashMap<AssetId<Image>, Shape>,
    resized: HashSet<AssetId<Image>>,
}

/// What decides whether Bevy writes new pixels into the old texture or makes a new one.
#[derive(Clone, Copy, PartialEq)]
struct Shape {
    size: [u32; 3],
    mips: u32,
    /// Hash of the format and the kind of texture, whose types only the renderer exports.
    kind: u64,
}

impl Shape {
    fn of(image: &Image) -> Self {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let texture = &image.texture_descriptor;
        let mut kind = DefaultHasher::new();
        (texture.format, texture.dimension, texture.usage).hash(&mut kind);
        let size = [texture.size.width, texture.size.height, texture.size.depth_or_array_layers];
        Self { size, mips: texture.mip_level_count, kind: kind.finish() }
    }
}

/// A material that shows images.
pub trait ShowsImages: Asset {
    /// Whether it shows this image.
    fn shows(&self, image: AssetId<Image>) -> bool;
}

/// Has materials of one kind use the new texture of an image that has got another size.
pub struct RefreshMaterials<M>(PhantomData<fn() -> M>);

impl<M> Default for RefreshMaterials<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M> fmt::Debug for RefreshMaterials<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshMaterials")
    }
}

impl<M: ShowsImages> Plugin for RefreshMaterials<M> {
    fn build(&self, app: &mut App) {
        app.init_resource::<ResizedImages>().add_systems(
            PostUpdate,
            touch_materials::<M>
                .in_set(PixelsGenSystems::RefreshSprites)
                .after(note_resized)
                .run_if(resource_exists::<Assets<M>>),
        );
    }
}

/// Adds everything that this crate knows how to refresh.
pub(crate) fn add_to(app: &mut App) {
    if !app.world().contains_resource::<Assets<Image>>() {
        return;
    }
    app.init_resource::<ResizedImages>()
        .configure_sets(
            PostUpdate,
            PixelsGenSystems::RefreshSprites.after(AssetEventSystems).before(VisibilitySystems::CalculateBounds),
        )
        .add_systems(PostUpdate, (note_resized, refresh_sprites).in_set(PixelsGenSystems::RefreshSprites));
    #[cfg(feature = "materials")]
    materials::add_to(app);
}

/// Remembers the shape of every image, to tell which have changed it.
fn note_resized(
    mut events: MessageReader<AssetEvent<Image>>,
    images: Res<Assets<Image>>,
    mut noted: ResMut<ResizedImages>,
) {
    if !noted.resized.is_empty() {
        noted.resized.clear();
    }
    for event in events.read() {
        match event {
            AssetEvent::Added { id } | AssetEvent::Modified { id } => {
                let Some(shape) = images.get(*id).map(Shape::of) else { continue };
                if noted.known.insert(*id, shape).is_some_and(|before| before != shape) {
                    noted.resized.insert(*id);
                }
            }
            AssetEvent::Removed { id } => {
                noted.known.remove(id);
            }
            AssetEvent::Unused { .. } | AssetEvent::LoadedWithDependencies { .. } => {}
        }
    }
}

/// Bevy computes a sprite's bounds when the `Sprite` changes, not when its image or its atlas does: one of another size
/// would be culled and picked by its old one.
fn refresh_sprites(
    mut images: MessageReader<AssetEvent<Image>>,
    mut layouts: MessageReader<AssetEvent<TextureAtlasLayout>>,
    mut sprites: Query<&mut Sprite>,
    mut meshes: Query<&mut SpriteMesh>,
) {
    let images = modified(&mut images);
    let layouts = modified(&mut layouts);
    if images.is_empty() && layouts.is_empty() {
        return;
    }
    let shows = |image: &Handle<Image>, atlas: &Option<TextureAtlas>| {
        images.contains(&image.id()) || atlas.as_ref().is_some_and(|atlas| layouts.contains(&atlas.layout.id()))
    };
    for mut sprite in &mut sprites {
        if shows(&sprite.image, &sprite.texture_atlas) {
            sprite.set_changed();
        }
    }
    for mut mesh in &mut meshes {
        if shows(&mesh.image, &mesh.texture_atlas) {
            mesh.set_changed();
        }
    }
}

fn modified<A: Asset>(events: &mut MessageReader<AssetEvent<A>>) -> HashSet<AssetId<A>> {
    let modified = |event: &AssetEvent<A>| if let AssetEvent::Modified { id } = event { Some(*id) } else { None };
    events.read().filter_map(modified).collect()
}

/// A material's textures are bound when the material changes. An image that has got another size has another texture,
/// so the material is marked as changed; one of the same size keeps its texture, and nothing need be done.
fn touch_materials<M: ShowsImages>(noted: Res<ResizedImages>, mut materials: ResMut<Assets<M>>) {
    if noted.resized.is_empty() {
        return;
    }
    let shows = |material: &M| noted.resized.iter().any(|image| material.shows(*image));
    let touched: Vec<_> = materials.iter().filter(|(_, material)| shows(material)).map(|(id, _)| id).collect();
    for id in touched {
        if let Some(material) = materials.get_mut(id) {
            // Only what is borrowed mutably counts as changed.
            let _ = material.into_inner();
        }
    }
}

#[cfg(feature = "materials")]
mod materials {
    //! The materials that come with Bevy's 2D renderer.

    use bevy::sprite_render::{ColorMaterial, MeshMaterial2d, SpriteMaterial, TilemapChunk, TilemapChunkMaterial};

    use super::*;
    use crate::generate::{Replaced, SpriteGenerated, shows};

    impl ShowsImages for ColorMaterial {
        fn shows(&self, image: AssetId<Image>) -> bool {
            self.texture.as_ref().is_some_and(|texture| texture.id() == image)
        }
    }

    impl ShowsImages for TilemapChunkMaterial {
        fn shows(&self, image: AssetId<Image>) -> bool {
            self.tileset.id() == image || self.tile_data.id() == image
        }
    }

    impl ShowsImages for SpriteMaterial {
        fn shows(&self, image: AssetId<Image>) -> bool {
            self.image.id() == image
        }
    }

    pub(super) fn add_to(app: &mut App) {
        app.add_plugins((
            RefreshMaterials::<ColorMaterial>::default(),
            RefreshMaterials::<TilemapChunkMaterial>::default(),
            RefreshMaterials::<SpriteMaterial>::default(),
        ))
        .add_systems(
            PostUpdate,
            refresh_sprite_mesh_cells
                .in_set(PixelsGenSystems::RefreshSprites)
                .run_if(resource_exists::<Assets<SpriteMaterial>>),
        )
        .add_systems(
            PreUpdate,
            tell_materials
                .in_set(PixelsGenSystems::ReloadAssets)
                .after(crate::generate::reload_assets)
                .run_if(resource_exists::<Assets<ColorMaterial>>.and_then(resource_exists::<Messages<Replaced>>)),
        );
    }

    /// Tells the entities that show a replaced sprite by a material or as a tileset.
    fn tell_materials(
        mut replaced: MessageReader<Replaced>,
        materials: Res<Assets<ColorMaterial>>,
        meshes: Query<(Entity, &MeshMaterial2d<ColorMaterial>)>,
        chunks: Query<(Entity, &TilemapChunk)>,
        mut commands: Commands,
    ) {
        for Replaced(path) in replaced.read() {
            let of_mesh = |material: &MeshMaterial2d<ColorMaterial>| {
                let texture = materials.get(&material.0).and_then(|material| material.texture.as_ref());
                texture.is_some_and(|texture| shows(texture, path))
            };
            let meshes = meshes.iter().filter(|(_, material)| of_mesh(material)).map(|(entity, _)| entity);
            let chunks = chunks.iter().filter(|(_, chunk)| shows(&chunk.tileset, path)).map(|(entity, _)| entity);
            for entity in meshes.chain(chunks) {
                commands.trigger(SpriteGenerated { entity, path: path.clone() });
            }
        }
    }

    /// The material of a `SpriteMesh` holds a copy of its atlas layout, taken when the material was made.
    fn refresh_sprite_mesh_cells(
        mut events: MessageReader<AssetEvent<TextureAtlasLayout>>,
        layouts: Res<Assets<TextureAtlasLayout>>,
        mut materials: ResMut<Assets<SpriteMaterial>>,
    ) {
        let changed = modified(&mut events);
        if changed.is_empty() {
            return;
        }
        let layout_of = |material: &SpriteMaterial| material.texture_atlas.as_ref().map(|atlas| atlas.layout.id());
        let stale: Vec<_> = materials
            .iter()
            .filter_map(|(id, material)| Some((id, layout_of(material).filter(|layout| changed.contains(layout))?)))
            .collect();
        for (id, layout) in stale {
            if let (Some(mut material), Some(layout)) = (materials.get_mut(id), layouts.get(layout)) {
                material.texture_atlas_layout = Some(layout.clone());
            }
        }
    }
}
